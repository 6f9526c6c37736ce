-- Makes waiting jobs due now, before all others of their queue. ARGV: ids. Returns those that wait.
local waited = {}
for _, id in ipairs(ARGV) do
  local state, queue, priority = unpack(call('HMGET', job(id), 'state', 'queue', 'priority'))
  if state == 'waiting' and leave_waiting(id, queue, priority) then
    enter_waiting(id, queue, 'first', NOW)
    waited[#waited + 1] = id
  end
end
return waited
