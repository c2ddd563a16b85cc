"""A headless Chromium, driven over a pipe with its DevTools protocol."""

import base64
import json
import os
import subprocess


class Browser:
    """One page. Commands go to file 3 of the browser and answers come from its file 4, each ended by a zero byte."""

    def __init__(self, program, profile, size):
        to_browser, ours_out = os.pipe()
        ours_in, from_browser = os.pipe()

        # The two may be each other's targets: out of the way first.
        def connect():
            away = [os.dup(to_browser), os.dup(from_browser)]
            os.dup2(away[0], 3)
            os.dup2(away[1], 4)

        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                   "--disable-background-networking", "--disable-dev-shm-usage", f"--window-size={size[0]},{size[1]}",
                   f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.log = open(os.path.join(profile + ".log"), "wb")
        self.process = subprocess.Popen(command, preexec_fn=connect, close_fds=False, stdout=self.log, stderr=self.log)
        os.close(to_browser)
        os.close(from_browser)
        self.out, self.into = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb")
        self.number, self.session = 0, None
        page = next(target for target in self.send("Target.getTargets")["targetInfos"] if target["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        self.send("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                  mobile=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def send(self, method, **parameters):
        """Has a command done, and gives back its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            text = bytearray()
            while (byte := self.into.read(1)) != b"\0":
                assert byte, "the browser went away"
                text += byte
            answer = json.loads(text)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        self.send("Page.navigate", url=url)

    def value(self, expression):
        """What an expression is in the page, a promise waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path):
        picture = self.send("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))
