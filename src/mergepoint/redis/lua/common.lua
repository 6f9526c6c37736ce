-- What all scripts of a worklist share; the text of a script is this file and its own. docs/jobs-redis.md has the keys.
-- KEYS[1] is what all keys begin with, a hash tag and a colon: `{batfriend}:`.

local call = redis.call
local prefix = KEYS[1]
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local LONGEST_HISTORY = 20
local RANKS = { 'first', 'high', 'normal', 'low' } -- the parts of a queue, in the order in which they are served
local PRIORITIES = { high = true, normal = true, low = true }

-- Lua would write a time as 1.7e+15.
local function digits(number)
  return string.format('%.0f', number)
end

local NOW = digits(now)

local function kept_until(keep)
  return digits(now + keep * 1000000)
end

local function waiting(queue, rank)
  return prefix .. 'waiting:' .. rank .. ':' .. queue
end

local function in_state(state, queue)
  return prefix .. state .. ':' .. queue
end

local function job(id)
  return prefix .. 'job:' .. id
end

-- In pieces, as Lua's stack is short; an even number, so that scores stay with their members.
local function each_thousand(list, act)
  for first = 1, #list, 1000 do
    act(unpack(list, first, math.min(first + 999, #list)))
  end
end

local function add_all(key, scores_and_ids)
  each_thousand(scores_and_ids, function(...) call('ZADD', key, ...) end)
end

local function remove_all(key, ids)
  each_thousand(ids, function(...) call('ZREM', key, ...) end)
end

-- One token is enough: while it lies there, nobody waits, and the queue is known.
local function ring(queue)
  local bell = prefix .. 'bell:' .. queue
  if call('EXISTS', bell) == 0 then
    call('SADD', prefix .. 'queues', queue)
    call('RPUSH', bell, '1')
  end
end

-- `flawless` has those that have no history, as to look for a key costs time in a large keyspace.
local function forget(ids, flawless)
  local keys = {}
  for _, id in ipairs(ids) do
    keys[#keys + 1] = prefix .. 'message:' .. id
    keys[#keys + 1] = job(id)
    if not flawless[id] then
      keys[#keys + 1] = prefix .. 'history:' .. id
    end
  end
  each_thousand(keys, function(...) call('DEL', ...) end)
  remove_all(prefix .. 'jobs', ids)
end

local function free(id, unique)
  if unique and call('HGET', prefix .. 'unique', unique) == id then
    call('HDEL', prefix .. 'unique', unique)
  end
end

local function remember(id, attempt)
  local key = prefix .. 'history:' .. id
  call('RPUSH', key, attempt)
  call('LTRIM', key, -LONGEST_HISTORY, -1)
  call('HSET', job(id), 'flawed', '1')
end

local function enter(id, state, queue, score)
  call('ZADD', in_state(state, queue), score, id)
  call('HSET', job(id), 'state', state, 'since', NOW)
end

local function enter_waiting(id, queue, rank, due)
  call('ZADD', waiting(queue, rank), due, id)
  call('HSET', job(id), 'state', 'waiting', 'since', NOW, 'due', due)
  ring(queue)
end

-- A job leaves the queue that it waits in; false if it is not there. It may have been expedited.
local function leave_waiting(id, queue, rank)
  return call('ZREM', waiting(queue, rank), id) == 1 or call('ZREM', waiting(queue, 'first'), id) == 1
end

-- A job is blocked no more; false if it was not.
local function leave_blocked(id)
  local state, queue = unpack(call('HMGET', job(id), 'state', 'queue'))
  return state == 'blocked' and call('ZREM', in_state('blocked', queue), id) == 1
end

-- A job is cancelled, and whatever is blocked until it is done.
local function cancelled(id)
  repeat
    local queue, keep, unique, following = unpack(call('HMGET', job(id), 'queue', 'keep', 'unique', 'then'))
    enter(id, 'cancelled', queue, kept_until(keep))
    free(id, unique)
    id = following
  until not id or not leave_blocked(id)
end

-- One of the jobs that a job waits for is done.
local function arrived(id)
  local state, queue, priority, due = unpack(call('HMGET', job(id), 'state', 'queue', 'priority', 'due'))
  if state and call('HINCRBY', job(id), 'needs', -1) <= 0 and state == 'blocked' then
    call('ZREM', in_state('blocked', queue), id)
    enter_waiting(id, queue, priority, due)
  end
end

-- When the first job of a queue may begin; nil if none waits, or none may before another has ended.
local function next_due(queue)
  local held = call('GET', prefix .. 'held:' .. queue)
  if held then
    return tonumber(held)
  end
  local earliest
  for _, rank in ipairs(RANKS) do
    local due = tonumber(call('ZRANGE', waiting(queue, rank), 0, 0, 'WITHSCORES')[2])
    if due and (not earliest or due < earliest) then
      earliest = due
    end
  end
  return earliest
end

-- A job of a queue that runs no more makes room for another, if one waits for that.
local function make_room(queue)
  if call('GET', prefix .. 'held:' .. queue) == 'full' then
    call('DEL', prefix .. 'held:' .. queue)
    ring(queue)
  end
end
