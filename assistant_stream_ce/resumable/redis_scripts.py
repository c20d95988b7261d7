"""Scripts of `RedisStore`. Each touches the keys of one stream, which share a hash tag, and is atomic.

The log of a stream is a Redis stream whose entry ids are `<epoch>-<number>`. The epoch is the time in microseconds at
which the run began, and larger than that of a deleted log, so the entries of an older run of the same id are refused by
Redis itself. The header has the number 0, an entry of chunks that of its last chunk, and the terminal entry the largest
number there is: nothing can follow it. A deleted log leaves a mark for a moment, which wakes the processes that watch
it.

Scripts that renew or end a stream, or ask for a stop, first call a command that a full server still executes: Redis
then executes the rest of the script, too.

They use no command beyond those that the documentation's access control list grants.
"""

from __future__ import annotations

from typing import Final

#: The number of the terminal entry.
LAST: Final = 2**64 - 1

# `top` is the last entry of a log, `first` its header; `epoch_of` and `number_of` split an id.
_HELPERS = f"""
local LAST = '{LAST}'
local function first(key) return redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1] end
local function top(key) return redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1] end
local function epoch_of(entry) return string.match(entry[1], '^(%d+)') end
local function number_of(entry) return string.match(entry[1], '(%d+)$') end
local function field(entry, name)
  for i = 1, #entry[2], 2 do if entry[2][i] == name then return entry[2][i + 1] end end
end
local function log_of(key)
  local entry = first(key)
  if entry and not field(entry, 'd') then return entry end
end
"""

#: Keys: log, lease, stop, gone, summary, and the worker's inbox: a cluster refuses it at once. Arguments: header, run,
#: worker, lease and live time in milliseconds, the time in microseconds. Returns the epoch and whether a stop came
#: before; an empty list where the log is another run's.
START: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
if log and field(log, 'r') ~= ARGV[2] then return {} end
local epoch
if log then
  epoch = epoch_of(log)
else
  epoch = string.format('%.0f', math.max(ARGV[6], (redis.call('GET', KEYS[4]) or 0) + 2))
  redis.call('DEL', KEYS[1], KEYS[4], KEYS[5])
  redis.call('XADD', KEYS[1], epoch .. '-0', 'h', ARGV[1], 'r', ARGV[2], 'o', ARGV[3])
end
if number_of(top(KEYS[1])) ~= LAST then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return {epoch, redis.call('EXISTS', KEYS[3])}
"""
)

#: Keys: log, lease, stop, gone. Arguments: an epoch in case the log is not there, header, run, worker, lease and live
#: time in milliseconds, then number, count and data of each entry. Returns "ok", "fenced" or "missing", and the epoch.
RESEED: Final = (
    _HELPERS
    + """
if redis.call('EXISTS', KEYS[4]) == 1 then return {'missing', ''} end
local log = log_of(KEYS[1])
if log and (field(log, 'r') ~= ARGV[3] or number_of(top(KEYS[1])) == LAST) then return {'fenced', ''} end
local epoch = ARGV[1]
if log then epoch = epoch_of(log) end
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], epoch .. '-0', 'h', ARGV[2], 'r', ARGV[3], 'o', ARGV[4])
for i = 7, #ARGV, 3 do redis.call('XADD', KEYS[1], epoch .. '-' .. ARGV[i], 'n', ARGV[i + 1], 'c', ARGV[i + 2]) end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {'ok', epoch}
"""
)

#: Keys: log, lease, stop. Arguments: run, lease and live time in milliseconds. Returns "missing", "other" for another
#: run or an ended one, "stop" or "ok".
RENEW: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
if not log then return 'missing' end
if field(log, 'r') ~= ARGV[1] or number_of(top(KEYS[1])) == LAST then return 'other' end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if redis.call('EXISTS', KEYS[3]) == 1 then return 'stop' end
return 'ok'
"""
)

#: Keys: log, lease, stop, summary. Arguments: run, terminal, summary, retention and retention of the summary in
#: milliseconds, the number of the last entry. Returns "ok", "fenced" or "missing", also where entries are.
FINISH: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
if not log then return 'missing' end
local last = top(KEYS[1])
if field(log, 'r') ~= ARGV[1] then return 'fenced' end
if number_of(last) == LAST then
  if field(last, 'e') == ARGV[2] then return 'ok' end
  return 'fenced'
end
if tonumber(number_of(last)) < tonumber(ARGV[6]) then return 'missing' end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[5])
redis.call('XADD', KEYS[1], epoch_of(log) .. '-' .. LAST, 'e', ARGV[2])
redis.call('DEL', KEYS[2], KEYS[3])
return 'ok'
"""
)

#: As `FINISH`, but the first argument is the number of chunks in the log. Returns whether the terminal was written.
REAP: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
if not log or redis.call('EXISTS', KEYS[2]) == 1 or number_of(top(KEYS[1])) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[5])
redis.call('XADD', KEYS[1], epoch_of(log) .. '-' .. LAST, 'e', ARGV[2])
redis.call('DEL', KEYS[3])
return 1
"""
)

#: Keys: log, stop. Arguments: times in milliseconds that a request is kept with and without a log. Returns the worker
#: of a live stream; an empty text where there is none.
STOP: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
redis.call('DEL', KEYS[2])
if not log then
  redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
  return ''
end
if number_of(top(KEYS[1])) == LAST then return '' end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
return field(log, 'o')
"""
)

#: Keys: log, lease, stop, gone, summary, seen. Arguments: times in milliseconds of the note that the stream is gone,
#: and of the mark that wakes those that watch it. Returns whether there was a log or a summary.
DELETE: Final = (
    _HELPERS
    + """
local log = log_of(KEYS[1])
local had = redis.call('EXISTS', KEYS[5])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[5], KEYS[6])
if log then
  local epoch = string.format('%.0f', epoch_of(log) + 1)
  redis.call('DEL', KEYS[1])
  redis.call('XADD', KEYS[1], epoch .. '-0', 'd', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('SET', KEYS[4], epoch, 'PX', ARGV[1])
  return 1
end
redis.call('SET', KEYS[4], redis.call('GET', KEYS[4]) or 0, 'PX', ARGV[1])
return had
"""
)

#: Key: a key. Arguments: its least remaining time in milliseconds. It is set, or kept longer, never shorter.
KEEP: Final = """
if redis.call('SET', KEYS[1], 1, 'PX', ARGV[1], 'NX') then return 1 end
-- Redis 6.2 has no GT.
if type(redis.pcall('PEXPIRE', KEYS[1], ARGV[1], 'GT')) == 'table' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
"""

#: Key: a key. Arguments: a value, and milliseconds or an empty text. A key of this value expires then, or is deleted.
LET_GO: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
