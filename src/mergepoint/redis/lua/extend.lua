-- Keeps claims. ARGV: lease in seconds, then id and token of each claim.
-- Returns the ids of those that are lost, and of those that somebody wants to stop.
local until_then, lost, cancelling = digits(now + ARGV[1] * 1000000), {}, {}
for at = 2, #ARGV, 2 do
  local id = ARGV[at]
  local state, token, stop, queue = unpack(call('HMGET', job(id), 'state', 'token', 'cancelling', 'queue'))
  if state ~= 'running' or token ~= ARGV[at + 1] then
    lost[#lost + 1] = id
  else
    call('ZADD', in_state('running', queue), until_then, id)
    if stop then
      cancelling[#cancelling + 1] = id
    end
  end
end
return { lost, cancelling }
