"""The prompt of breakpoints: a small debugger in the manner of pdb over frames whose values are known.

Knows frames only (see ``breakpoints``), and nothing of programs.
"""

from __future__ import annotations

import cmd
import pprint
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from cotan.api.breakpoints import DebuggerFrame


class Prompt(cmd.Cmd):
    """Reads commands from ``stdin`` and answers on ``stdout``; by default those of the process."""

    prompt = "(cotan) "

    def __init__(
        self, frames: Sequence[DebuggerFrame], stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.frames = frames
        self.position = 0

    @property
    def frame(self) -> DebuggerFrame:
        """Where the user is."""
        return self.frames[self.position]

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stdout)

    def _evaluate(self, expression: str, show: Callable[[Any], str]) -> None:
        try:
            value = eval(expression, self.frame.globals, self.frame.locals) if self.frames else eval(expression)
            self.say(show(value))
        except Exception as error:
            # Whatever the user's expression raises is an answer, and no reason to leave.
            self.say("*** " + traceback.format_exception_only(error)[-1].strip())

    def show_context(self, around: int) -> None:
        """The lines around the current one."""
        if not self.frames:
            self.say("there is no frame of the user's program")
            return
        frame = self.frame
        self.say(f"> {frame.filename}({frame.lineno}){frame.name}")
        first = max(frame.lineno - around, 1)
        for number, line in enumerate(frame.source[first - 1 : frame.lineno + around], first):
            self.say(f"{'->' if number == frame.lineno else '  '}  {line.rstrip()}")

    def default(self, line: str) -> None:
        """Evaluate and print an expression."""
        self._evaluate(line, repr)

    def emptyline(self) -> bool:
        """Nothing happens."""
        return False

    def do_p(self, arg: str) -> None:
        """p expression: print its value."""
        self._evaluate(arg, repr)

    def do_pp(self, arg: str) -> None:
        """pp expression: print its value over several lines."""
        self._evaluate(arg, pprint.pformat)

    def do_list(self, arg: str) -> None:
        """l(ist): the source around the line."""
        self.show_context(5)

    def do_where(self, arg: str) -> None:
        """w(here) or bt: the stack, the innermost frame last."""
        self.say("Traceback:")
        for frame in reversed(self.frames):
            self.say(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
            known = frame.lineno <= len(frame.source)
            self.say(f"    {frame.source[frame.lineno - 1].strip() if known else '<no source>'}")

    def do_up(self, arg: str) -> None:
        """u(p): to the frame that called this one."""
        self._move(1, "This is the outermost frame.")

    def do_down(self, arg: str) -> None:
        """d(own): to the frame that this one called."""
        self._move(-1, "This is the innermost frame.")

    def _move(self, step: int, end: str) -> None:
        if 0 <= self.position + step < len(self.frames):
            self.position += step
        else:
            self.say(end)
        self.show_context(2)

    def do_continue(self, arg: str) -> bool:
        """c(ontinue): go on with the program."""
        return True

    def do_quit(self, arg: str) -> None:
        """q(uit): end the program, by SystemExit."""
        raise SystemExit(0)

    do_l = do_list
    do_w = do_bt = do_where
    do_u, do_d = do_up, do_down
    do_c = do_cont = do_continue
    do_q = do_exit = do_EOF = do_quit


def run_prompt(frames: Sequence[DebuggerFrame], thread_id: int | None, **streams: Any) -> None:
    """Talk to the user until they continue."""
    prompt = Prompt(frames, **streams)
    thread = "" if thread_id is None else f" (thread {thread_id})"
    prompt.say(f"Entering the debugger{thread}; `help` lists the commands.")
    prompt.show_context(2)
    while True:
        try:
            prompt.cmdloop()
            return
        except KeyboardInterrupt:
            prompt.say("(interrupted; `c` goes on, `q` quits)")
