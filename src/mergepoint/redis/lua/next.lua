-- Returns the microseconds until a job of some queues may begin, -1 if none waits. ARGV: queues.
local earliest
for _, queue in ipairs(ARGV) do
  local due = next_due(queue)
  if due and (not earliest or due < earliest) then
    earliest = due
  end
end
return earliest and math.max(0, earliest - now) or -1
