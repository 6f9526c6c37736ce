-- What `put` and `fire` share: they keep messages.

-- Reads a message, or fails.
local function read(text)
  local m = cjson.decode(text)
  if string.find(text, 'null', 1, true) then
    for name, value in pairs(m) do
      m[name] = value ~= cjson.null and value or nil
    end
  end
  m.queue = m.queue or 'default'
  m.priority = m.priority or 'normal'
  m.due = NOW
  if m.at then
    m.due = digits(m.at * 1000000)
  elseif m.delay then
    m.due = digits(now + m.delay * 1000000)
  end
  m.needs = m.needs or 0
  assert(#m.id == 24 and type(m.operation) == 'string' and type(m.queue) == 'string' and PRIORITIES[m.priority])
  assert(m.needs % 1 == 0 and type(m.keep or 0) == 'number')
  assert(type(m.unique or '') == 'string' and type(m['then'] or '') == 'string')
  return m
end

-- All are read before the first is kept, as nothing here is rolled back.
local function read_all(first)
  local messages = {}
  for at = first, #ARGV do
    messages[at - first + 1] = read(ARGV[at])
  end
  return messages
end

-- The id of the job that a message is already, or nil.
local function known(m, text)
  local message = prefix .. 'message:' .. m.id
  if m.unique then
    if call('EXISTS', message) == 1 then
      return m.id
    end
    local other = call('HGET', prefix .. 'unique', m.unique)
    if other then
      return other
    end
  end
  if not call('SET', message, text, 'NX') then
    return m.id
  end
end

local function keep(m)
  local key = job(m.id)
  call(
    'HSET', key, 'state', m.needs > 0 and 'blocked' or 'waiting', 'since', NOW, 'queue', m.queue, 'priority', m.priority,
    'due', m.due, 'keep', m.keep or 3600
  )
  if m.needs > 0 then
    call('HSET', key, 'needs', m.needs)
    call('ZADD', in_state('blocked', m.queue), NOW, m.id)
  end
  if m['then'] then
    call('HSET', key, 'then', m['then'])
  end
  if m.unique then
    call('HSET', key, 'unique', m.unique)
    call('HSET', prefix .. 'unique', m.unique, m.id)
  end
end

-- Keeps the messages in ARGV from one position on.
local function put(first)
  local fits, messages = pcall(read_all, first)
  if not fits then
    return redis.error_reply('INVALID message: ' .. tostring(messages))
  end
  local others, index, queues, last = {}, {}, {}, 0
  for at, m in ipairs(messages) do
    local other = known(m, ARGV[first + at - 1])
    if not other then
      keep(m)
      index[last + 1], index[last + 2], last = '0', m.id, last + 2
      local ranks = queues[m.queue] or { high = {}, normal = {}, low = {} }
      queues[m.queue] = ranks
      if m.needs <= 0 then
        local list = ranks[m.priority]
        list[#list + 1] = m.due
        list[#list + 1] = m.id
      end
    elseif other ~= m.id then
      others[#others + 1] = at - 1
      others[#others + 1] = other
    end
  end
  add_all(prefix .. 'jobs', index)
  for queue, ranks in pairs(queues) do
    for rank, list in pairs(ranks) do
      add_all(waiting(queue, rank), list)
    end
    ring(queue)
  end
  return others
end
