"""FastAPI and Flask in one process: uvicorn serves both, a2wsgi carries the Flask side.

python -m examples.side_by_side
curl -N http://127.0.0.1:8000/fastapi/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
curl -N http://127.0.0.1:8000/flask/api/chat --json '{"prompt": "What is the weather in Lisbon?"}'
"""

from __future__ import annotations

import uvicorn
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI

from examples.command_line import chosen_port
from examples.fastapi_app import app as fastapi_app
from examples.flask_app import app as flask_app

app = FastAPI()
app.mount("/fastapi", fastapi_app)
# a2wsgi does not report disconnects to the WSGI application: an abandoned run continues to its end.
app.mount("/flask", WSGIMiddleware(flask_app))  # type: ignore[arg-type]

if __name__ == "__main__":
    uvicorn.run(app, port=chosen_port())
