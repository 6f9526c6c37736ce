-- Gives back jobs whose lease is over, and forgets what was kept long enough: some of each, so that nobody waits long.
-- ARGV: the workers that a job may lose. Returns how many were given back, and 1 if there may be more to do.
local PIECE = 200
local most_crashes, given_back, more = tonumber(ARGV[1]), 0, 0

local function give_back(id)
  local attempts, crashes, worker, began, queue, priority, cancelling, unique = unpack(call(
    'HMGET', job(id), 'attempts', 'crashes', 'worker', 'began', 'queue', 'priority', 'cancelling', 'unique'
  ))
  crashes = (crashes or 0) + 1
  call('HSET', job(id), 'crashes', crashes)
  remember(id, cjson.encode({
    number = tonumber(attempts), worker = worker, began = began / 1000000, seconds = cjson.null, outcome = 'lost',
    code = 'worker_lost', message = 'The worker gave no sign of life until its lease was over.',
  }))
  if cancelling then
    cancelled(id)
  elseif crashes >= most_crashes then
    enter(id, 'dead', queue, NOW)
    free(id, unique)
  else
    enter_waiting(id, queue, priority, NOW)
    given_back = given_back + 1
  end
end

local function expired(key)
  local ids = call('ZRANGE', key, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, PIECE)
  if #ids == PIECE then
    more = 1
  end
  remove_all(key, ids)
  return ids
end

local function is_unused(queue)
  local keys = {}
  for at, rank in ipairs(RANKS) do
    keys[at] = waiting(queue, rank)
  end
  for _, state in ipairs({ 'running', 'blocked', 'done', 'dead', 'cancelled' }) do
    keys[#keys + 1] = in_state(state, queue)
  end
  return call('EXISTS', unpack(keys)) == 0
end

for _, queue in ipairs(call('SMEMBERS', prefix .. 'queues')) do
  local lost = expired(in_state('running', queue))
  for _, id in ipairs(lost) do
    give_back(id)
  end
  if #lost > 0 then
    make_room(queue)
  end
  forget(expired(in_state('done', queue)), {})
  forget(expired(in_state('cancelled', queue)), {})
  if is_unused(queue) then
    call('DEL', prefix .. 'bell:' .. queue)
    call('SREM', prefix .. 'queues', queue)
  end
end
return { given_back, more }
