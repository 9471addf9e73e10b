"""Reads a trace with Perfetto's own trace processor: read_trace.py TRACE. Prints how many slices of each category there are;
an error of the import, or a slice that does not fit into the one around it, is an error here.

The package `perfetto` fetches the processor itself when it is first used; exit code 3 where it cannot.
"""
import sys
import urllib.error
from subprocess import CalledProcessError

try:
    from perfetto.trace_processor import TraceProcessor

    processor = TraceProcessor(trace=sys.argv[1])
except (ImportError, CalledProcessError, urllib.error.URLError, OSError) as error:
    print(f"no trace processor: {error}", file=sys.stderr)
    sys.exit(3)
for row in processor.query("select name, value from stats where severity in ('error', 'data_loss') and value > 0"):
    sys.exit(f"{row.name}: {row.value}")
for row in processor.query("select category, count(1) as slices from slice group by category order by category"):
    print(f"{row.category}: {row.slices}")
processor.close()
