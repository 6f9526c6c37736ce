-- Cancels jobs, and what waits for them; asks those that run to stop. ARGV: ids.
-- Returns those that it had an effect on.
local affected = {}
for _, id in ipairs(ARGV) do
  local state, queue, priority = unpack(call('HMGET', job(id), 'state', 'queue', 'priority'))
  if state == 'running' then
    call('HSET', job(id), 'cancelling', '1')
    affected[#affected + 1] = id
  elseif (state == 'waiting' and leave_waiting(id, queue, priority)) or leave_blocked(id) then
    cancelled(id)
    affected[#affected + 1] = id
  end
end
return affected
