"""Looks at the page of the feature `console` with a browser, by the protocol that its developers' tools use."""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

LIMIT = 60


class Browser:
    """A browser without a window, and the page in it."""

    def __init__(self, program, folder):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"]
        command = [program, *flags, f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.folder = folder
        self.wrong = []
        self.calls = 0

    def connect(self):
        port = until("the browser's port", self.port)
        tabs = until("a page", lambda: self.tabs(port))
        host, path = tabs[0]["webSocketDebuggerUrl"][len("ws://"):].split("/", 1)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET /{path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self.socket.sendall("\r\n".join(head).encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def port(self):
        try:
            with open(os.path.join(self.folder, "DevToolsActivePort")) as file:
                return int(file.readline())
        except (OSError, ValueError):
            assert self.process.poll() is None, "the browser does not start"
            return None

    @staticmethod
    def tabs(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=LIMIT) as answer:
                return [tab for tab in json.load(answer) if tab["type"] == "page"]
        except OSError:
            return None

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = len(data)
        head = struct.pack(">BB", 0x81, 0x80 | length) if length < 126 else struct.pack(">BBH", 0x81, 0xFE, length)
        self.socket.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def receive(self):
        message = b""
        while True:
            first, length = self.file.read(2)
            if length == 126:
                (length,) = struct.unpack(">H", self.file.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.file.read(8))
            data = self.file.read(length)
            if first & 15 < 3:
                message += data
                if first & 0x80:
                    return json.loads(message)

    def call(self, method, **parameters):
        self.calls += 1
        self.send(json.dumps({"id": self.calls, "method": method, "params": parameters}))
        while True:
            answer = self.receive()
            if answer.get("id") == self.calls:
                assert "error" not in answer, answer
                return answer["result"]
            told = answer.get("params", {})
            if answer.get("method") == "Runtime.exceptionThrown" or told.get("entry", {}).get("level") == "error":
                self.wrong.append(told)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def key(self, key):
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Escape": 27, "ArrowDown": 40}.get(key, ord(key[0]))
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **({"text": text} if text and kind == "keyDown" else {}))

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 700)

    def theme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path):
        # What has been asked for is drawn by then.
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.until("the first rows", "document.readyState === 'complete' && Number(document.body.dataset.pulses) >= 3 && document.querySelectorAll('#rows tr').length > 0")

    def until(self, what, expression):
        return until(what, lambda: self.value(expression))


def until(what, look):
    limit = time.monotonic() + LIMIT
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < limit, f"there is no {what}"
        time.sleep(0.1)


class Program:
    """An example that prints where its console is."""

    def __init__(self, path, *arguments):
        self.process = subprocess.Popen([path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("console on "), line
        self.address = line.split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def check(browser, address):
    browser.size(1400, 900)
    browser.open(address)
    numbers = "[...document.querySelectorAll('#rows tr')].map((row) => Number(row.dataset.id))"
    for order in ["asc", "desc"]:
        browser.value("document.querySelector('[data-sort=id]').click()")
        browser.until(f"order {order}", f"document.body.dataset.sorted === 'id {order}'")
        rows = browser.value(numbers)
        assert len(rows) == 100 and rows == sorted(rows, reverse=order == "desc"), rows
    print("rows sort: good")

    before = browser.value("document.querySelector('#rows tr').dataset.id")
    browser.value("document.querySelector('#next').click()")
    browser.until("next part", f"document.querySelector('#rows tr').dataset.id !== '{before}' && document.querySelector('#range').textContent.startsWith('101')")
    browser.key("/")
    browser.until("focus in the search", "document.activeElement.id === 'search'")
    browser.call("Input.insertText", text="c10k::serve")
    browser.until("servers", "document.querySelector('#range').textContent.includes('that match') && document.querySelectorAll('#rows tr').length > 10")
    browser.key("ArrowDown")
    browser.until("row with the focus", "!!document.activeElement.closest('#rows tr')")
    browser.key("Enter")
    browser.until("stack", "!document.querySelector('#panel').hidden && [...document.querySelectorAll('#panel .user .function')].some((it) => it.textContent.includes('serve'))")
    browser.key("Escape")
    # Back to its row, or to the search where the row is in another part of the table by now.
    browser.until("focus after the panel", "document.querySelector('#panel').hidden && !!(document.activeElement.closest('#rows tr') ?? document.activeElement.closest('#search'))")
    print("parts, search, keys, a stack opens: good")

    drawn = "['load', 'latency', 'resumes'].map((id) => document.querySelector(`#${id} .serie`)?.getAttribute('d') ?? '')"
    first = browser.value(drawn)
    browser.until("plot that moves", f"(() => {{ const before = {json.dumps(first)}; return {drawn}.every((path, at) => path !== before[at] && path.length > 20); }})()")
    print("plots move: good")

    for view, at in [("groups", "2"), ("leaks", "3"), ("threads", "1")]:
        browser.value("document.activeElement.blur()")
        browser.key(at)
        browser.until(view, f"!document.querySelector('#{view}').hidden && document.querySelector('#{view}').textContent.length > 10")
    browser.size(390, 844)
    assert browser.until("rows", "document.querySelectorAll('#rows tr').length") and browser.value("document.documentElement.scrollWidth") <= 390
    browser.until("answer of the process", "document.querySelector('#lost').hidden")
    assert not browser.wrong, browser.wrong
    print("views, a phone's width, no error: good")


def pictures(browser, address, folder):
    browser.theme("light")
    browser.size(1400, 900)
    browser.open(address)
    browser.until("much to see", "Number(document.body.dataset.pulses) >= 45")
    browser.picture(f"{folder}/table-light.png")
    browser.theme("dark")
    browser.picture(f"{folder}/table-dark.png")
    browser.value("$('search').value = 'audit'; show('threads')")
    browser.until("one row", "document.querySelectorAll('#rows tr').length === 1")
    browser.value("document.querySelector('#rows tr').click()")
    browser.until("chain", "document.querySelectorAll('#panel .chain .node').length === 3")
    browser.value("$('search').value = ''; table.offset = 0; threads()")
    browser.until("many rows", "document.querySelectorAll('#rows tr').length > 10")
    browser.picture(f"{folder}/chain-dark.png")
    browser.theme("light")
    browser.picture(f"{folder}/chain-light.png")
    browser.value("close(); show('groups')")
    browser.until("groups", "document.querySelectorAll('#groups summary').length")
    browser.value("document.querySelector('#groups summary').click()")
    browser.picture(f"{folder}/groups-light.png")
    browser.value("$('older').value = '10'; show('leaks')")
    browser.until("leaks", "document.querySelectorAll('#leaks summary').length > 2")
    browser.value("document.querySelector('#leaks summary').click()")
    browser.picture(f"{folder}/leaks-light.png")
    browser.size(390, 844, 2)
    for theme in ["light", "dark"]:
        browser.theme(theme)
        browser.value("show('leaks'); scrollTo(0, 400)")
        browser.picture(f"{folder}/phone-leaks-{theme}.png")
        browser.value("show('threads'); scrollTo(0, 0)")
        browser.until("rows", "document.querySelectorAll('#rows tr').length > 10")
        browser.picture(f"{folder}/phone-{theme}.png")
        browser.value("scrollTo(0, 500)")
        browser.picture(f"{folder}/phone-rows-{theme}.png")
    browser.value("document.querySelector('#rows tr').click()")
    browser.until("stack", "document.querySelectorAll('#panel .frames li').length")
    browser.picture(f"{folder}/phone-stack-dark.png")


def main():
    program, examples = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = None
        try:
            try:
                browser = Browser(program, folder)
                browser.connect()
            except (AssertionError, OSError, ValueError) as error:
                print(f"the browser does not start here, so the page is not looked at: {error}")
                return
            connections = os.environ.get("CONSOLE_CONNECTIONS", "500")
            with Program(f"{examples}/c10k", "300", connections, "--console", "127.0.0.1:0") as c10k:
                check(browser, c10k.address)
            if folder := os.environ.get("CONSOLE_SHOTS"):
                with Program(f"{examples}/console", "127.0.0.1:0") as example:
                    pictures(browser, example.address, folder)
        finally:
            if browser:
                browser.process.terminate()
                browser.process.wait()


main()
