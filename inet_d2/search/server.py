"""The search page as an ASGI application: pictures go in, sightings come out, nothing leaves the machine.

Starlette and uvicorn, since ranges of videos, limits and routing are theirs and not ours to write; the page itself is
plain HTML, CSS and JavaScript in `page/`, without any outside resource.
"""

import json
from collections.abc import Callable, Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from inet_d2.search.page_search import PageSearch
from inet_d2.search.server_guard import Guard
from inet_d2.search.sources import is_unchanged
from inet_d2.search.store import VIDEO

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
MAX_UPLOAD, MAX_QUERY = 25 * 1024 * 1024, 256 * 1024  # bytes
UPLOAD_TYPES = ("image/jpeg", "image/png", "image/webp")


def make_app(search: PageSearch, hosts: Collection[str]) -> Starlette:
    """The page and its requests.

    Args:
        search: what answers.
        hosts: see :class:`inet_d2.search.server_guard.Guard`.

    Returns:
        An ASGI application.
    """
    errors = {HTTPException: _http_sentence, ValueError: _input_sentence, OSError: _store_sentence}
    files = [Route(path, _page_file(*file)) for path, file in PAGE_FILES.items()]
    files.append(Route("/favicon.ico", lambda request: Response(status_code=204)))  # browsers ask for it
    return Starlette(
        routes=[*files, *_picture_routes(search), *_query_routes(search)],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers=errors,
    )


def _query_routes(search: PageSearch) -> list[Route]:
    async def upload(request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip() not in UPLOAD_TYPES:
            raise HTTPException(415, "expected a JPEG, PNG or WebP picture")
        content = await _body(request, MAX_UPLOAD)
        return JSONResponse(await run_in_threadpool(search.add_picture, content))

    async def ask(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":  # which no form of another site can send
            raise HTTPException(415, "expected JSON")
        try:
            asked = json.loads(await _body(request, MAX_QUERY))
        except ValueError as error:
            raise HTTPException(400, "expected JSON") from error
        return JSONResponse(await run_in_threadpool(search.answer, asked))

    return [
        Route("/api/info", lambda request: JSONResponse(search.info())),
        Route("/api/pictures", upload, methods=["POST"]),
        Route("/api/search", ask, methods=["POST"]),
    ]


def _picture_routes(search: PageSearch) -> list[Route]:
    def picture(request: Request) -> Response:
        return _jpeg(search.uploaded_jpeg(request.path_params["token"]))

    def crop(request: Request) -> Response:
        return _jpeg(search.crop_jpeg(request.path_params["person"]))

    def scene(request: Request) -> Response:
        return _jpeg(search.scene_jpeg(request.path_params["person"]))

    def video(request: Request) -> Response:
        source = search.source(request.path_params["source"])
        if source is None or source.kind != VIDEO or not is_unchanged(source.path, source.size, source.modified_ns):
            raise HTTPException(404, "no such video, or its file was moved")
        return FileResponse(source.path)

    return [
        Route("/api/pictures/{token}", picture),
        Route("/api/people/{person:int}/crop", crop),
        Route("/api/people/{person:int}/scene", scene),
        Route("/api/videos/{source:int}", video),
    ]


def _page_file(name: str, kind: str) -> Callable[[Request], Response]:
    return lambda request: Response((PAGE / name).read_bytes(), media_type=kind)


async def _body(request: Request, most: int) -> bytes:
    """The body, read no further than it may be long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, f"too large: expected at most {most // 1024:,} KiB")
    if not content:
        raise HTTPException(400, "the request is empty")
    return bytes(content)


def _jpeg(content: bytes | None) -> Response:
    if content is None:
        raise HTTPException(404, "no such picture, or its file was moved")
    return Response(content, media_type="image/jpeg")


def _http_sentence(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": str(error.detail)}, error.status_code)


def _input_sentence(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _store_sentence(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503)
