-- Puts dead and cancelled jobs back, as if they had never failed. ARGV: ids.
-- Returns those that were; one whose unique key has a new job is not.
local put_back = {}
for _, id in ipairs(ARGV) do
  local state, queue, priority, unique, needs = unpack(
    call('HMGET', job(id), 'state', 'queue', 'priority', 'unique', 'needs')
  )
  local final = state == 'dead' or state == 'cancelled'
  if final and (not unique or call('HSETNX', prefix .. 'unique', unique, id) == 1) then
    call('ZREM', in_state(state, queue), id)
    call('HDEL', job(id), 'failures', 'crashes', 'cancelling', 'progress', 'note')
    if tonumber(needs or 0) > 0 then
      call('HSET', job(id), 'due', NOW)
      enter(id, 'blocked', queue, NOW)
    else
      enter_waiting(id, queue, priority, NOW)
    end
    call('SADD', prefix .. 'queues', queue)
    put_back[#put_back + 1] = id
  end
end
return put_back
