"""The plugin module of the OpenCL backend: registers it. Imports pyopencl when devices are asked for."""

from __future__ import annotations

from cotan.backend import API_VERSION, Backend, BackendEntry, Probe, hookimpl


def probe() -> Probe:
    """The devices that OpenCL's runtimes show, or why there are none."""
    from cotan_opencl import driver

    try:
        found = driver.configured_devices()
    except Exception as error:
        return Probe(False, reason=str(error))
    devices = tuple(f"OpenclDevice(id={n}): {device.words}" for n, device in enumerate(found.devices))
    return Probe(True, (*devices, *found.notes), version=found.version)


def open_backend() -> Backend:
    """The backend itself."""
    from cotan_opencl.backend import OpenclBackend

    return OpenclBackend()


@hookimpl
def cotan_backends() -> list[BackendEntry]:
    """The one backend of this package. The CPU's own backend goes first where both are installed."""
    return [BackendEntry("opencl", API_VERSION, open_backend, probe, aliases=("ocl",), priority=-10)]
