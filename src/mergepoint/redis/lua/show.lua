-- Returns id, message, fields and history of each job that is known. ARGV: ids.
local found = {}
for _, id in ipairs(ARGV) do
  local fields = call('HGETALL', job(id))
  if #fields > 0 then
    local message = call('GET', prefix .. 'message:' .. id)
    found[#found + 1] = { id, message, fields, call('LRANGE', prefix .. 'history:' .. id, 0, -1) }
  end
end
return found
