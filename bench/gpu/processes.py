"""Processes that end: within a limit, with all that they have started, and with what they had printed kept."""

import contextlib
import json
import os
import signal
import subprocess

LAST_WAIT = 3  # seconds, for a process that was killed; one that a driver holds fast is left behind


class Failure(Exception):
    """What has not passed; the text says why. `out` and `errors` are what was printed, `found` what was measured."""

    def __init__(self, why, out="", errors="", found=None):
        super().__init__(why)
        self.out, self.errors, self.found = out, errors, found


class NotRun(Failure):
    """What could not be tried, which says nothing of what it would have found."""


class TimedOut(Failure):
    """The limit has passed."""


class Interrupted(BaseException):
    """A signal asks for the end; the text names it."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def interrupt_on_signals():
    """SIGINT, SIGTERM and SIGHUP raise Interrupted, once: what follows is not interrupted again."""
    signals = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) != signal.SIG_IGN]  # nohup's work

    def handle(number, _):
        for other in signals:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    for number in signals:
        signal.signal(number, handle)


def run(command, seconds, log=None, variables=None):
    """stdout of a process. Whatever ends the wait for it ends its whole group. All that it prints goes to the end of
    the file `log`, too; `variables` are added to its environment."""
    out = errors = None
    command = [str(word) for word in command]
    try:
        out, errors = finished(command, seconds, variables or {})
        return out
    except Failure as failure:
        out, errors = failure.out, f"{failure.errors}\n=== {failure}\n"
        raise
    finally:
        if log:
            words = [*(f"{name}={value}" for name, value in (variables or {}).items()), *command]
            with open(log, "a") as file:
                file.write(f"=== {' '.join(words)}\n{out or ''}{errors or ''}")


def finished(command, seconds, variables):
    """What a process printed: stdout and stderr."""
    process = None
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True, env=os.environ | variables)
        out, errors = process.communicate(timeout=seconds)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        out, errors = map(text, kill(process))
        raise TimedOut(f"did not end within {seconds:.0f} s: {' '.join(command)}", out, errors) from None
    except BaseException:
        if process is not None:
            kill(process)
        raise
    out, errors = text(out), text(errors)
    if process.returncode != 0:
        raise Failure(why(process.returncode, out, errors), out, errors)
    return out, errors


def kill(process):
    """Kills a process and its group. Returns what they had printed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=LAST_WAIT)
    except subprocess.TimeoutExpired as error:
        return error.output, error.stderr


def why(code, out, errors):
    """In one line: the last one printed says most, and a signal says more."""
    last = tail(errors, 1) or tail(out, 1)
    if code < 0:
        return f"killed by {signal.Signals(-code).name}" + (f": {last}" if last else "")
    return last or f"exit code {code}"


def text(printed):
    return (printed or b"").decode(errors="replace")


def tail(printed, lines):
    return "\n".join(printed.strip().splitlines()[-lines:])


def last_json(printed):
    """The last line that is a JSON object, or nothing: a kill cuts lines short, and libraries print in between."""
    for line in reversed(printed.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None
