"""cotan.image: resizing of images and other regular samples."""

from cotan import tracebacks as _tracebacks
from cotan.image.resizing import ResizeMethod as ResizeMethod
from cotan.image.resizing import resize as resize
from cotan.image.resizing import scale_and_translate as scale_and_translate

_tracebacks.guard(globals())
