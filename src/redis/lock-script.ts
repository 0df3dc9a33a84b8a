// The script that Redis runs for RedisLockTable: each call is atomic, and Redis's clock is the only
// one. README.md says which keys there are.
//
// A lock is `type,start,end`, an owner's value on a file `pid|lock|lock…`, in the order of the
// bytes. Numbers are written in full: Lua's own way keeps 14 digits.

/** What comes before the call that a script is for. KEYS[1] is the prefix, ARGV[1] the call. */
const COMMON = `
local prefix = KEYS[1]
local leases = prefix .. ':leases'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local READ, WRITE, NONE = 0, 1, 2
local STEPS_MAX = 10

local function fileKey(file) return prefix .. ':file:' .. file end
local function sessionKey(session) return prefix .. ':session:' .. session end
local function sessionOf(owner) return string.match(owner, '^(%S+) ') end
local function localName(owner) return string.match(owner, '^%S+ (.*)$') end
local function isFlock(owner) return string.match(owner, '^%S+ (%S+)') == 'flock' end
local function wake(file) redis.call('PUBLISH', prefix .. ':wake', file) end

local function toNumber(text)
  if text == 'inf' then return math.huge end
  return tonumber(text)
end

local function toText(number)
  if number == math.huge then return 'inf' end
  return string.format('%.0f', number)
end

local function isAlive(session)
  local untilMs = redis.call('ZSCORE', leases, session)
  return untilMs and tonumber(untilMs) > now
end

local function decode(value)
  local pid, rest = string.match(value or '', '^([^|]*)(.*)$')
  local locks = {}
  for kind, from, to in string.gmatch(rest or '', '|([^,]+),([^,]+),([^|]+)') do
    locks[#locks + 1] = { kind = tonumber(kind), from = toNumber(from), to = toNumber(to) }
  end
  return locks, pid
end

local function encode(pid, locks)
  local parts = { pid }
  for _, lock in ipairs(locks) do
    parts[#parts + 1] = toText(lock.kind) .. ',' .. toText(lock.from) .. ',' .. toText(lock.to)
  end
  return table.concat(parts, '|')
end

local function locksOf(file, owner)
  return decode(redis.call('HGET', fileKey(file), owner) or '')
end

-- A session whose lease is over is as if it had ended.
local function endSession(session)
  local fields = redis.call('HKEYS', sessionKey(session))
  for _, field in ipairs(fields) do
    local owner, file = string.match(field, '^l (%S+ %S+) (.*)$')
    if owner then
      redis.call('HDEL', fileKey(file), session .. ' ' .. owner)
      wake(file)
    end
  end
  redis.call('DEL', sessionKey(session))
  redis.call('ZREM', leases, session)
end

-- Does what a session left behind belong to the owner's, which its client has now?
local function isInherited(session, owner)
  local heir = session
  for _ = 1, STEPS_MAX do
    heir = redis.call('HGET', sessionKey(heir), 'heir')
    if not heir then return false end
    if heir == sessionOf(owner) then return true end
  end
  return false
end

-- The first lock in the way: its owner, itself, its pid. What is only left over is cleared away.
local function conflictOf(file, owner, wanted)
  local all = redis.call('HGETALL', fileKey(file))
  for at = 1, #all, 2 do
    local other = all[at]
    local session = sessionOf(other)
    if other ~= owner and isFlock(other) == isFlock(owner) then
      if not isAlive(session) then
        endSession(session)
      else
        local locks, pid = decode(all[at + 1])
        for _, lock in ipairs(locks) do
          local meets = lock.from < wanted.to and lock.to > wanted.from
          local excludes = lock.kind == WRITE or wanted.kind == WRITE
          if meets and excludes and not isInherited(session, owner) then
            return other, lock, pid
          end
        end
      end
    end
  end
end

local function replaced(old, wanted)
  local parts = {}
  for _, lock in ipairs(old) do
    if lock.from < wanted.from then
      local to = math.min(lock.to, wanted.from)
      parts[#parts + 1] = { kind = lock.kind, from = lock.from, to = to }
    end
    if lock.to > wanted.to then
      parts[#parts + 1] = { kind = lock.kind, from = math.max(lock.from, wanted.to), to = lock.to }
    end
  end
  if wanted.kind ~= NONE then parts[#parts + 1] = wanted end
  table.sort(parts, function(a, b) return a.from < b.from end)
  local merged = {}
  for _, lock in ipairs(parts) do
    local last = merged[#merged]
    if last and last.kind == lock.kind and last.to >= lock.from then
      last.to = math.max(last.to, lock.to)
    else
      merged[#merged + 1] = lock
    end
  end
  return merged
end

-- False, and nothing has changed, if the session would have too many.
local function replaceLocks(file, owner, pid, locks, max)
  local key = sessionKey(sessionOf(owner))
  local field = 'l ' .. localName(owner) .. ' ' .. file
  local before = tonumber(redis.call('HGET', key, field) or '0')
  local count = tonumber(redis.call('HGET', key, 'count') or '0')
  local growth = #locks - before
  if growth > 0 and count + growth > max then return false end
  redis.call('HSET', key, 'count', toText(count + growth))
  if #locks == 0 then
    redis.call('HDEL', key, field)
    redis.call('HDEL', fileKey(file), owner)
  else
    redis.call('HSET', key, field, toText(#locks))
    redis.call('HSET', fileKey(file), owner, encode(pid, locks))
  end
  -- A lock may also have become weaker.
  if before > 0 then wake(file) end
  return true
end

-- The sessions that this one's client had before, the last one first.
local function ancestorsOf(session)
  local found = {}
  for _ = 1, STEPS_MAX do
    session = redis.call('HGET', sessionKey(session), 'old')
    if not session then break end
    found[#found + 1] = session
  end
  return found
end

-- An owner has had its way with a range: what was kept there for it has served its turn. Otherwise
-- what it gives up would stay in everybody's way until the lease of a session that is gone ends.
local function takeOver(file, owner, from, to)
  for _, session in ipairs(ancestorsOf(sessionOf(owner))) do
    local old = session .. ' ' .. localName(owner)
    local locks, pid = locksOf(file, old)
    if #locks > 0 then
      local left = replaced(locks, { kind = NONE, from = from, to = to })
      replaceLocks(file, old, pid, left, math.huge)
    end
  end
end

local function waitField(owner) return 'w ' .. localName(owner) end

-- Whom the one in the way waits for, and so on. It is looked up anew: it may have changed.
local function isDeadlock(owner, other)
  for _ = 0, STEPS_MAX do
    if not other then return false end
    if other == owner then return true end
    local waits = redis.call('HGET', sessionKey(sessionOf(other)), waitField(other))
    if not waits then return false end
    local kind, from, to, file = string.match(waits, '^(%S+) (%S+) (%S+) (.*)$')
    local wanted = { kind = tonumber(kind), from = toNumber(from), to = toNumber(to) }
    other = conflictOf(file, other, wanted)
  end
  return false
end
`;

const CALLS = `
local calls = {}

-- For a lease of its own a session has to be new: another one has lost what it had.
local function enter(session, leaseMs, isNew)
  if isAlive(session) then return true end
  if isNew ~= '1' then return false end
  endSession(session)
  redis.call('ZADD', leases, now + leaseMs, session)
  return true
end

function calls.set(file, owner, pid, kind, from, to, mayWait, isNew, leaseMs, max)
  local wanted = { kind = tonumber(kind), from = toNumber(from), to = toNumber(to) }
  local session = sessionOf(owner)
  if not enter(session, tonumber(leaseMs), isNew) then return { 'LOST' } end
  redis.call('HDEL', sessionKey(session), waitField(owner))
  local old = locksOf(file, owner)
  if isFlock(owner) then
    if old[1] and old[1].kind == wanted.kind then return { 'OK' } end
    -- flock(2): a conversion gives up what it had first.
    replaceLocks(file, owner, pid, {}, tonumber(max))
    old = {}
  end
  if wanted.kind ~= NONE then
    local other = conflictOf(file, owner, wanted)
    if other and mayWait ~= '1' then return { 'AGAIN' } end
    if other then
      local isProcess = string.match(owner, '^%S+ (%S+)') == 'record'
      if isProcess and isDeadlock(owner, other) then return { 'DEADLK' } end
      local waits = kind .. ' ' .. from .. ' ' .. to .. ' ' .. file
      if not isFlock(owner) then
        redis.call('HSET', sessionKey(session), waitField(owner), waits)
      end
      return { 'WAIT' }
    end
  end
  local isSet = replaceLocks(file, owner, pid, replaced(old, wanted), tonumber(max))
  if isSet then takeOver(file, owner, wanted.from, wanted.to) end
  return { isSet and 'OK' or 'NOLCK' }
end

function calls.find(file, owner, kind, from, to)
  local wanted = { kind = tonumber(kind), from = toNumber(from), to = toNumber(to) }
  local other, lock, pid
  if wanted.kind == NONE then
    local own
    own, pid = locksOf(file, owner)
    for _, each in ipairs(own) do
      if not lock and each.from < wanted.to and each.to > wanted.from then
        other, lock = owner, each
      end
    end
  else
    other, lock, pid = conflictOf(file, owner, wanted)
  end
  if not other then return { 'NONE' } end
  return { 'FOUND', other, pid, toText(lock.kind), toText(lock.from), toText(lock.to) }
end

function calls.release(file, owner)
  if #locksOf(file, owner) > 0 then replaceLocks(file, owner, '', {}, 0) end
  takeOver(file, owner, 0, math.huge)
  return { 'OK' }
end

-- It waits no more.
function calls.leave(owner)
  redis.call('HDEL', sessionKey(sessionOf(owner)), waitField(owner))
  return { 'OK' }
end

calls['end'] = function(session)
  for _, old in ipairs(ancestorsOf(session)) do endSession(old) end
  endSession(session)
  return { 'OK' }
end

-- What the old one has is in everybody's way but the new one's, until that has done something else
-- with it, or the lease is over.
function calls.inherit(old, new, leaseMs)
  if not enter(new, tonumber(leaseMs), '1') then return { 'LOST' } end
  if not isAlive(old) then return { 'NONE' } end
  for _, field in ipairs(redis.call('HKEYS', sessionKey(old))) do
    if string.sub(field, 1, 2) == 'w ' then redis.call('HDEL', sessionKey(old), field) end
  end
  redis.call('HSET', sessionKey(old), 'heir', new)
  redis.call('HSET', sessionKey(new), 'old', old)
  redis.call('ZADD', leases, now + tonumber(leaseMs), old)
  return { 'OK' }
end

-- Returns those that had no lease any more. Ends all others' that are over, so that whoever waits
-- for them is woken.
function calls.renew(leaseMs, ...)
  local lost = {}
  for _, session in ipairs({ ... }) do
    if isAlive(session) then
      redis.call('ZADD', leases, now + tonumber(leaseMs), session)
    else
      lost[#lost + 1] = session
    end
  end
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    endSession(session)
  end
  return lost
end

return calls[ARGV[1]](unpack(ARGV, 2))
`;

export const LOCK_SCRIPT = COMMON + CALLS;
