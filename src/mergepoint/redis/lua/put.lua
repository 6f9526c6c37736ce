-- Keeps jobs, all or none. ARGV: messages as JSON.
-- Returns, for each that is another job, its position from 0 and the id of that.
return put(1)
