-- Keeps the jobs of a tick, unless it or a later one was fired. ARGV: schedule, tick in seconds, messages as JSON.
-- Returns 1 if this call fired it.
local schedule, tick = ARGV[1], ARGV[2]
local last = call('HGET', prefix .. 'ticks', schedule)
if last and tonumber(last) >= tonumber(tick) then
  return 0
end
local answer = put(3)
if answer.err then
  return answer
end
call('HSET', prefix .. 'ticks', schedule, tick)
return 1
