"""What this installation consists of, as text: the report of ``python -m cotan info``."""

from __future__ import annotations


def print_environment_info(return_string: bool = False) -> str | None:
    """Print versions, the platform and the devices, for reports of problems.

    Args:
      return_string: return the text instead.

    >>> import cotan
    >>> text = cotan.print_environment_info(return_string=True)
    >>> text.split()[0]
    'cotan'
    """
    from cotan.__main__ import info

    text = info()
    if return_string:
        return text
    print(text)
    return None
