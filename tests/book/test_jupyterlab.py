"""A chapter's .md opens as a notebook in the JupyterLab of ``make lab`` and runs to its end."""

import json
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request

import nbformat
import pytest
import websocket
from workbench import ROOT, copy_recipes, environment, make_command

START_LIMIT_S = 60
CELL_LIMIT_S = 120
CHAPTER = "01_end_to_end_learning.md"


class Lab:
    """The HTTP side of a running JupyterLab."""

    def __init__(self, folder, port, token):
        self.folder, self.port, self.token = folder, port, token

    def request(self, path, body=None, method=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def channels(self, kernel):
        return websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels",
            header=[f"Authorization: token {self.token}"],
            timeout=CELL_LIMIT_S,
        )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = copy_recipes(tmp_path_factory.mktemp("lab"), "chapters", "results", "tools")
    port, token = free_port(), secrets.token_hex(16)
    options = [
        *("--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"),
        "--ServerApp.port_retries=0",
    ]
    log = folder / "lab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            make_command("lab", f"LAB_OPTIONS={' '.join(options)}"),
            cwd=folder,
            env=environment(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    lab = Lab(folder, port, token)
    try:
        wait_until_up(lab, process, log)
        yield lab
        # An orderly end, which also ends the kernels.
        urllib.request.urlopen(
            urllib.request.Request(
                f"http://127.0.0.1:{port}/api/shutdown",
                method="POST",
                headers={"Authorization": f"token {token}"},
            ),
            timeout=30,
        ).close()
        process.wait(timeout=30)
    finally:
        process.kill()


def wait_until_up(lab, process, log):
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            lab.request("api/status")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"no JupyterLab after {START_LIMIT_S} s:\n{log.read_text()}")


def test_markdown_opens_as_a_notebook_by_default(lab):
    settings = lab.request("lab/api/settings/@jupyterlab/docmanager-extension:plugin")
    viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers["markdown"] == "Jupytext Notebook"
    extensions = lab.request("lab/api/extensions")
    assert "jupyterlab-jupytext" in [extension["name"] for extension in extensions]


def test_chapter_runs_to_its_end(lab):
    opened = lab.request(f"api/contents/{CHAPTER}?type=notebook&content=1")
    notebook = nbformat.from_dict(opened["content"])
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    twin = nbformat.read(ROOT / "chapters" / CHAPTER.replace(".md", ".ipynb"), as_version=4)
    assert sources == [cell.source for cell in twin.cells if cell.cell_type == "code"]

    session = {
        "path": CHAPTER,
        "name": CHAPTER,
        "type": "notebook",
        "kernel": {"name": notebook.metadata.kernelspec.name},
    }
    kernel = lab.request("api/sessions", session)["kernel"]["id"]
    channels = lab.channels(kernel)
    try:
        for source in sources:
            reply = run_cell(channels, source)
            assert reply["status"] == "ok", "\n".join(reply["traceback"])
    finally:
        channels.close()


def test_saving_a_chapter_writes_source_and_twin(lab):
    opened = lab.request(f"api/contents/{CHAPTER}?type=notebook&content=1")["content"]
    opened["cells"].append(nbformat.v4.new_markdown_cell("Saved in the lab."))
    lab.request(f"api/contents/{CHAPTER}", {"type": "notebook", "content": opened}, method="PUT")
    source = (lab.folder / "chapters" / CHAPTER).read_text(encoding="utf-8")
    original = (ROOT / "chapters" / CHAPTER).read_text(encoding="utf-8")
    # The chapter ends with text, and "+++" parts two cells of text.
    assert source == f"{original.rstrip()}\n\n+++\n\nSaved in the lab.\n"
    twin = (lab.folder / "chapters" / CHAPTER).with_suffix(".ipynb")
    assert nbformat.read(twin, as_version=4).cells[-1].source == "Saved in the lab."


def run_cell(channels, source):
    """Send a cell as the lab does; return the kernel's reply."""
    identifier = secrets.token_hex(8)
    message = {
        "channel": "shell",
        "header": {
            "msg_id": identifier,
            "msg_type": "execute_request",
            "session": "test",
            "username": "test",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": source, "allow_stdin": False, "stop_on_error": True},
    }
    channels.send(json.dumps(message))
    while True:
        answer = json.loads(channels.recv())
        if (
            answer["parent_header"].get("msg_id") == identifier
            and answer["msg_type"] == "execute_reply"
        ):
            return answer["content"]
