-- Notes how far a running job is. ARGV: id, token, progress from 0 to 1, note.
-- Returns 0 if its worker shall stop it.
local id, token = ARGV[1], ARGV[2]
local state, current, cancelling = unpack(call('HMGET', job(id), 'state', 'token', 'cancelling'))
if state ~= 'running' or current ~= token then
  return 0
end
call('HSET', job(id), 'progress', ARGV[3], 'note', ARGV[4])
return cancelling and 0 or 1
