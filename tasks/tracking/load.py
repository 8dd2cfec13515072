"""Records the load of the machine on an MLflow run while its stages work: processor, memory, disk, network, GPU."""

from functools import cache
from typing import Any

_watches: dict[str, Any] = {}  # by its MLflow run, the thread that measures


def watch(run: str) -> None:
    """Records on this run from now on, and on the one before no more."""
    if run not in _watches:
        end_watch()
        _watches[run] = _monitor()(run, resume_logging=True)
        _watches[run].start()


def end_watch() -> None:
    """Records what was measured last, and ends."""
    for monitor in _watches.values():
        monitor.finish()
    _watches.clear()


@cache
def _monitor() -> type:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    class Monitor(SystemMetricsMonitor):
        """MLflow's, but for its end with the status of the run, which is ended for now after each stage."""

        def monitor(self) -> None:
            ended = False
            while not ended:
                self.collect_metrics()
                ended = self._shutdown_event.wait(self.sampling_interval)
                self.publish_metrics(self.aggregate_metrics())

    return Monitor
