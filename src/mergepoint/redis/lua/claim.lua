-- Settles outcomes, then takes jobs that are due.
-- ARGV: worker, the most jobs to take, lease in seconds, how many lanes; for each lane: queue, concurrency, rate (both ''
-- for no limit); for each outcome: id, token, verdict, delay in seconds, result as JSON or '', attempt as JSON or ''.
-- Returns for each job: id, token, attempts, failures, message.

local worker, limit, lanes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local until_then = digits(now + ARGV[3] * 1000000)
local settled, forgotten, flawless, ended, kept, claims, taken, token = {}, {}, {}, {}, {}, {}, 0, nil

local function add_to(lists, queue, value)
  local list = lists[queue]
  if not list then
    list = {}
    lists[queue] = list
  end
  list[#list + 1] = value
end

local function done(id, queue, keep, result, unique, following)
  free(id, unique)
  keep = tonumber(keep)
  if keep <= 0 then
    forgotten[#forgotten + 1] = id
  else
    call('HSET', job(id), 'state', 'done', 'since', NOW)
    if result ~= '' then
      call('HSET', job(id), 'result', result)
    end
    add_to(kept, queue, kept_until(keep))
    add_to(kept, queue, id)
  end
  if following then
    arrived(following)
  end
end

local function put_back(id, queue, verdict, delay)
  if verdict == 'retry' then
    call('HINCRBY', job(id), 'failures', 1)
  else
    call('HINCRBY', job(id), 'attempts', -1)
  end
  enter_waiting(id, queue, call('HGET', job(id), 'priority'), digits(now + delay * 1000000))
end

local function settle(id, token, verdict, delay, result, attempt)
  local state, current, queue, keep, cancelling, unique, following, flawed = unpack(
    call('HMGET', job(id), 'state', 'token', 'queue', 'keep', 'cancelling', 'unique', 'then', 'flawed')
  )
  if state ~= 'running' or current ~= token or settled[id] then return end
  settled[id] = true
  add_to(ended, queue, id)
  if attempt ~= '' then
    remember(id, attempt)
  end
  flawless[id] = not flawed and attempt == ''
  if verdict == 'done' then
    done(id, queue, keep, result, unique, following)
  elseif verdict == 'dead' then
    enter(id, 'dead', queue, NOW)
    free(id, unique)
  elseif verdict == 'cancelled' or cancelling then
    cancelled(id)
  else
    put_back(id, queue, verdict, delay)
  end
end

local function take(queue, key, most)
  local ids = call('ZRANGE', key, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, most)
  if #ids == 0 then return 0 end
  call('ZREMRANGEBYRANK', key, 0, #ids - 1)
  local names, leases = {}, {}
  for at, id in ipairs(ids) do
    names[at] = prefix .. 'message:' .. id
    leases[2 * at - 1] = until_then
    leases[2 * at] = id
  end
  add_all(in_state('running', queue), leases)
  local messages = call('MGET', unpack(names))
  token = token or digits(call('INCR', prefix .. 'token'))
  for at, id in ipairs(ids) do
    local key, failures = job(id), 0
    local attempts = call('HINCRBY', key, 'attempts', 1)
    call('HSET', key, 'state', 'running', 'token', token, 'worker', worker, 'began', NOW)
    if attempts > 1 then
      failures = tonumber(call('HGET', key, 'failures') or 0)
      call('HDEL', key, 'progress', 'note')
    end
    local last = #claims
    claims[last + 1] = id
    claims[last + 2] = tonumber(token)
    claims[last + 3] = attempts
    claims[last + 4] = failures
    claims[last + 5] = messages[at]
  end
  return #ids
end

-- How many jobs of a lane may begin now by its rate, and its state: the time at which its last job should begin if
-- they began evenly (the generic cell rate algorithm). A second's worth may begin at once.
local function allowed(queue, interval)
  local even = math.max(tonumber(call('GET', prefix .. 'rate:' .. queue) or 0), now)
  local ahead = math.max(1000000, interval)
  return math.floor((now + ahead - even) / interval), even, even + interval - ahead
end

local function take_lane(queue, concurrency, rate)
  local room, full, interval, even, again = limit - taken, false, nil, nil, nil
  if concurrency then
    local free_places = math.max(0, concurrency - call('ZCARD', in_state('running', queue)))
    full = free_places < room
    room = math.min(room, free_places)
  end
  if rate then
    interval = 1000000 / rate
    local begin
    begin, even, again = allowed(queue, interval)
    full = full and begin >= room
    again = begin < room and again or nil
    room = math.min(room, begin)
  end
  local got = 0
  for _, rank in ipairs(RANKS) do
    if got < room then
      got = got + take(queue, waiting(queue, rank), room - got)
    end
  end
  taken = taken + got
  if rate and got > 0 then
    even = even + got * interval
    call('SET', prefix .. 'rate:' .. queue, digits(even), 'PX', digits((even - now) / 1000 + 1))
  end
  -- Waits must know that what is due may not begin; it is looked at again after a while, as limits may change.
  if got == room and full then
    call('SET', prefix .. 'held:' .. queue, 'full', 'PX', 5000)
  elseif got == room and again then
    again = again + got * interval
    local milliseconds = math.min(math.max(1, (again - now) / 1000), 5000)
    call('SET', prefix .. 'held:' .. queue, digits(again), 'PX', digits(milliseconds))
  end
end

for at = 5 + 3 * lanes, #ARGV, 6 do
  settle(unpack(ARGV, at, at + 5))
end
for queue, ids in pairs(ended) do
  remove_all(in_state('running', queue), ids)
  make_room(queue)
end
for queue, scores_and_ids in pairs(kept) do
  add_all(in_state('done', queue), scores_and_ids)
end
forget(forgotten, flawless)

for lane = 1, lanes do
  local queue, concurrency, rate = unpack(ARGV, 2 + 3 * lane, 4 + 3 * lane)
  if taken < limit then
    take_lane(queue, tonumber(concurrency), tonumber(rate))
  end
  if taken >= limit and limit > 0 and call('EXISTS', prefix .. 'bell:' .. queue) == 0 then
    local due = next_due(queue)
    if due and due <= now then -- there is more to do than this worker takes
      ring(queue)
    end
  end
end
return claims
