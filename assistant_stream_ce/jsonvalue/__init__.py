"""JSON values: their conversion, encoding and decoding, with the limits of what clients accept.

`plain` runs where a value enters the library: it copies the value into JSON's own types, or raises. `dumps` runs where
a value leaves: compact JSON that every client parses. `loads` decodes JSON of other servers.

Clients parse strictly, and some guard against prototype pollution. Therefore:

- a number that JSON or JavaScript cannot hold (NaN, Infinity, beyond 1.8e308) becomes null;
- a key `__proto__`, and a key `constructor` whose value has a key `prototype`, is dropped: clients drop such a frame,
  or the whole stream with it;
- an unpaired surrogate is written as an escape: two halves in two deltas join in the client;
- U+0085, U+2028 and U+2029 are written as escapes: Python's `splitlines` splits there.
"""

from assistant_stream_ce.jsonvalue.text import dumps as dumps
from assistant_stream_ce.jsonvalue.text import dumps_text as dumps_text
from assistant_stream_ce.jsonvalue.text import dumps_texts as dumps_texts
from assistant_stream_ce.jsonvalue.text import has_refused_key as has_refused_key
from assistant_stream_ce.jsonvalue.text import join_surrogates as join_surrogates
from assistant_stream_ce.jsonvalue.text import json_size as json_size
from assistant_stream_ce.jsonvalue.text import loads as loads
from assistant_stream_ce.jsonvalue.text import loads_as_client as loads_as_client
from assistant_stream_ce.jsonvalue.text import loads_or_text as loads_or_text
from assistant_stream_ce.jsonvalue.text import loads_raw as loads_raw
from assistant_stream_ce.jsonvalue.text import whole_text as whole_text
from assistant_stream_ce.jsonvalue.values import ATOMS as ATOMS
from assistant_stream_ce.jsonvalue.values import JSON as JSON
from assistant_stream_ce.jsonvalue.values import MAX_DEPTH as MAX_DEPTH
from assistant_stream_ce.jsonvalue.values import MAX_SAFE_INTEGER as MAX_SAFE_INTEGER
from assistant_stream_ce.jsonvalue.values import Copyable as Copyable
from assistant_stream_ce.jsonvalue.values import NotPlainError as NotPlainError
from assistant_stream_ce.jsonvalue.values import check_text as check_text
from assistant_stream_ce.jsonvalue.values import clone as clone
from assistant_stream_ce.jsonvalue.values import copy_plain as copy_plain
from assistant_stream_ce.jsonvalue.values import describe_types as describe_types
from assistant_stream_ce.jsonvalue.values import key_text as key_text
from assistant_stream_ce.jsonvalue.values import list_index as list_index
from assistant_stream_ce.jsonvalue.values import object_or_empty as object_or_empty
from assistant_stream_ce.jsonvalue.values import objects_in as objects_in
from assistant_stream_ce.jsonvalue.values import plain as plain
