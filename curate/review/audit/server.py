"""The audit page's server: who may ask, and what is answered. The only file that knows starlette and uvicorn."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from signal import SIGINT, SIGTERM, signal
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from curate.errors import CurateError, MissingInputError, ParameterError
from curate.review.audit import page
from curate.review.audit.desk import Desk, Queue
from curate.review.audit.pictures import SIZES_PX, Pictures

HOST = "127.0.0.1"
VERDICTS = ("correct", "wrong", "unsure")

_MOST_BODY = 8192
_HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True)
class Guard:
    """Lets in who knows the token and asks for this machine by name.

    The first visit brings the token in the address; a cookie that no script can read, and that no other site sends, has
    it from then on. The Host header is checked because a foreign page may give its own name this address.

    Attributes:
        app: What is guarded.
        token: The token.
        port: The port, which the cookie's name and the Host header have.
    """

    app: ASGIApp
    token: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._answer(Request(scope))
        await (refused or self.app)(scope, receive, send_guarded)

    def _answer(self, request: Request) -> Response | None:
        """What is said to a request that does not pass as it is; None for one that does."""
        own = {f"{host}:{self.port}" for host in (HOST, "localhost")}
        if request.headers.get("host") not in own:
            return PlainTextResponse("This server answers to its own address only.", 403)
        if request.headers.get("origin", "null").removeprefix("http://") not in {*own, "null"}:
            return PlainTextResponse("Another page may not ask.", 403)
        name = f"curate_audit_{self.port}"
        if self._is_token(request.query_params.get("token", "")) and request.method == "GET":
            answer = RedirectResponse("/", 303)
            answer.set_cookie(name, self.token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(request.cookies.get(name, "")):
            return PlainTextResponse("Open the address that 'curate audit serve' printed: it ends in a token.", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


@dataclass(frozen=True)
class Site:
    """The answers.

    Attributes:
        desk: Whose verdicts they are.
        token: Asked of every form, as the cookie also comes with forms of other servers on this machine.
        target: Precision that is aimed at, to be drawn in; None = none.
        pictures: Pictures that were made.
    """

    desk: Desk
    token: str
    target: float | None
    pictures: Pictures

    def index(self, request: Request) -> Response:
        """All classes."""
        self.desk.refresh()
        queues, people = self.desk.queues(), self.desk.agreement()
        return HTMLResponse(page.index_page(queues, people, self.desk.auditor, self.target))

    def show_class(self, request: Request) -> Response:
        """One class; ?first=IMAGE is shown before the others."""
        self.desk.refresh()
        class_key = request.path_params["class_key"]
        queue = self.desk.queue(class_key)
        first = [image for image in queue.waiting if image == request.query_params.get("first")]
        waiting = [*first, *(image for image in queue.waiting if image not in first)]
        right, best = self.desk.examples(class_key)
        sheet = page.Sheet(
            queue=queue,
            shown=waiting[: page.N_TILES],
            right=right,
            best=best,
            auditor=self.desk.auditor,
            token=self.token,
            target=self.target,
            following=None if waiting else next((q.facts for q in self.desk.queues() if q.waiting), None),
        )
        return HTMLResponse(page.class_page(sheet))

    def image(self, request: Request) -> Response:
        """A picture."""
        size, image_id, class_key = (request.path_params[name] for name in ("size", "image_id", "class_key"))
        if size not in SIZES_PX:
            raise MissingInputError(f"no size '{size}'")
        picture = self.pictures.get(self.desk.place(class_key, image_id), size)
        return Response(picture.data, media_type=picture.media_type, headers={"cache-control": "private, max-age=3600"})

    async def judge(self, request: Request) -> Response:
        """Save a verdict."""
        form = await self._form(request)
        if form.get("verdict") not in VERDICTS:
            raise ParameterError(f"verdict '{form.get('verdict', '')}'")
        class_key = form.get("class_key", "")
        queue = await run_in_threadpool(self.desk.judge, class_key, form.get("image_id", ""), form["verdict"])
        return self._after(request, class_key, queue, None)

    async def undo(self, request: Request) -> Response:
        """Take a verdict back."""
        class_key = (await self._form(request)).get("class_key", "")
        image_id, queue = await run_in_threadpool(self.desk.undo, class_key)
        return self._after(request, class_key, queue, image_id)

    def static(self, request: Request) -> Response:
        """Style and script."""
        name = request.path_params["name"]
        if name not in _STATIC:
            raise MissingInputError(f"no file '{name}'")
        return Response(files("curate.review.audit").joinpath(name).read_bytes(), media_type=_STATIC[name])

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form that bears the token."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                raise ParameterError("the form is too long")
        form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if not secrets.compare_digest(form.get("token", "").encode(), self.token.encode()):
            raise _NoTokenError("the form has another token", fix="Load the page again.")
        return form

    def _after(self, request: Request, class_key: str, queue: Queue, image_id: str | None) -> Response:
        """To the script what has changed, to a browser without one the page again."""
        if request.headers.get("accept") == "application/json":
            progress = page.progress_panel(queue, self.target)
            return JSONResponse({"progress": progress, "image_id": image_id, "n_waiting": len(queue.waiting)})
        return RedirectResponse(page.class_url(class_key, image_id), 303)


class _NoTokenError(ParameterError):
    pass


def _say_error(request: Request, error: Exception) -> Response:
    kinds: dict[type[Exception], int] = {_NoTokenError: 403, ParameterError: 400, MissingInputError: 404}
    status = kinds.get(type(error), 500)
    if request.headers.get("accept") == "application/json":
        return JSONResponse({"error": str(error)}, status)
    return HTMLResponse(page.error_page(str(error)), status)


def make_app(desk: Desk, *, token: str, port: int, target: float | None) -> ASGIApp:
    """The application.

    Args:
        desk: Whose verdicts they are.
        token: What the address must bear.
        port: Where it listens.
        target: Precision that is aimed at; None = none.
    """
    site = Site(desk, token, target, Pictures())

    routes = [
        Route("/", site.index),
        Route("/class/{class_key:path}", site.show_class),
        Route("/image/{size}/{image_id}/{class_key:path}", site.image),
        Route("/verdict", site.judge, methods=["POST"]),
        Route("/undo", site.undo, methods=["POST"]),
        Route("/{name}", site.static),
    ]
    app = Starlette(routes=routes, exception_handlers={CurateError: _say_error})
    return Guard(app, token, port)


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address.

    Args:
        port: The port; 0 = any that is free.

    Raises:
        ParameterError: The port is taken or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(64)  # whoever reads the address may come before the server is ready
    except (OSError, OverflowError) as error:
        found.close()
        raise ParameterError(
            f"port {port} cannot be used: {getattr(error, 'strerror', None) or error}",
            fix="Name another with --port, or take any free one with --port 0.",
        ) from error
    return found


def serve(app: ASGIApp, where: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, which end it in order."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3, lifespan="off")
    _Server(config).run([where])


class _Server(uvicorn.Server):
    """Ends quietly: for a server Ctrl-C is the way to end, no interruption."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal(number, self.handle_exit) for number in (SIGINT, SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal(number, handler)
