/**
 * The scripts that run inside Redis. Each is one atomic step on keys of one hash tag (or, without Redis Cluster, of any),
 * idempotent, and takes no time from the server's clock.
 *
 * An entity's value is `generation u32 | width u8 | state | tail`: the state bytes of src/features/state.ts, then records
 * that were appended since, in order of arrival, all with amounts of one width. The generation changes whenever bytes
 * already there are rewritten, so that (generation, length) names a prefix that everyone who has read it still knows. The
 * width is that of the state's amounts before a wide one in the tail made all of them wide: features depend on it.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export const script = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });

/** A value of which the caller knows so many bytes is not read as a whole any more: from here on that costs more than two calls. */
const longBytes = 2048;

/**
 * Appends records to entities, each once by time and id, and answers what the caller does not know yet. A record is looked for only
 * in what the caller does not know, and of a long value only that is read and written: Redis spends about as long on a busy
 * terminal with thousands of payments as on a new card.
 *
 * ARGV 1: 28 bytes a plan: bytes of a record in ARGV 2 and without its amount u8, expiry in seconds u32, bucket bytes u16,
 * header of an empty state. ARGV 2, for each key: plan u8, what to do u8 (1: put off its expiry, which costs as much as the rest of
 * writing; 2: look for the records in all of the value; else only in what the caller does not know), known generation and length u32, records u16, then for each: amount bytes u8
 * (and 128 where the caller knows it to be there), record with the widest amount. ARGV 3: first generation of new entities.
 * Answers a string a key: `1` (what follows the known prefix) or `0` (the whole value), `1` or `0` for each record (was
 * there or is new), and those bytes, the new records at their end.
 */
export const appendScript = script(`
local plans, blob, seed = ARGV[1], ARGV[2], ARGV[3]
local sub, byte, find, unpack, floor = string.sub, string.byte, string.find, struct.unpack, math.floor
local call = redis.call
local out, at = {}, 1
for i = 1, #KEYS do
  local key = KEYS[i]
  local plan, what, generation, known, n = unpack('<BBI4I4I2', blob, at)
  at = at + 12
  local recordBytes, amountAt, ttl, bucketBytes = unpack('<BBI4I2', plans, plan * 28 + 1)
  local refresh, searchAll = what % 2 == 1, what >= 2
  -- value: the bytes of the value after the first skipped ones
  local value, skipped, head, isKnown, width = nil, 0, nil, false, 0
  if known >= ${longBytes} and not searchAll then
    head = call('GETRANGE', key, 0, 6)
    if #head == 7 and unpack('<I4', head) == generation then
      width = byte(head, 7) % 8
      isKnown = true
      for k = 0, n - 1 do
        local need = byte(blob, at + k * (1 + recordBytes))
        if need < 128 and need > width then isKnown = false end
      end
      if isKnown then
        -- with its last known byte: were it not there, the value would be another
        value, skipped = call('GETRANGE', key, known - 1, -1), known - 1
        if value == '' then value, skipped, isKnown = nil, 0, false end
      end
    end
  end
  local first = known + 1 - skipped
  if not value then
    value = call('GET', key)
    if not value then
      local header = sub(plans, plan * 28 + 9, plan * 28 + 28)
      value = seed .. string.char(byte(header, 2) % 8) .. header
      refresh = true
    end
    local shape = byte(value, 7)
    width = shape % 8
    first = 26 + floor(shape / 8) % 16 * bucketBytes
    isKnown = known > 0 and known <= #value and unpack('<I4', value) == generation
  end
  local from = first
  if isKnown and not searchAll then from = known + 1 - skipped end
  local stride = amountAt + width
  local length, flags = #value, ''
  for k = 1, n do
    local need = byte(blob, at)
    local told = need >= 128
    if told then need = need - 128 end
    local found = told and isKnown
    if not found and from <= #value then
      local id = sub(blob, at + 1, at + 10)
      found = find(value, id, from, true)
      while found and (found - first) % stride ~= 0 do found = find(value, id, found + 1, true) end
    end
    if found then
      flags = flags .. '1'
    else
      if need > width then
        local parts, pad = {}, string.rep('\\0', need - width)
        for p = first, #value, stride do parts[#parts + 1] = sub(value, p, p + stride - 1) .. pad end
        local next = struct.pack('<I4', (unpack('<I4', value) + 1) % 4294967296)
        local shape = byte(value, 7) - width + need
        value = next .. sub(value, 5, 6) .. string.char(shape) .. sub(value, 8, first - 1) .. table.concat(parts)
        isKnown, from, length = false, first, 0
        width = need
        stride = amountAt + width
      end
      value = value .. sub(blob, at + 1, at + stride)
      flags = flags .. '0'
    end
    at = at + 1 + recordBytes
  end
  if #value > length then
    if skipped + length >= ${longBytes} then
      call('APPEND', key, sub(value, length + 1))
      if refresh then call('EXPIRE', key, ttl) end
    elseif refresh then
      call('SET', key, value, 'EX', ttl)
    else
      call('SET', key, value, 'KEEPTTL')
    end
  end
  if isKnown then
    out[i] = '1' .. flags .. sub(value, known + 1 - skipped)
  else
    out[i] = '0' .. flags .. value
  end
end
return out
`);

/**
 * Replaces a known prefix; what was appended to it meanwhile stays. KEYS 1; ARGV 1: generation, 2: length of the prefix,
 * 3: new generation, width and state, 4: expiry in seconds. Answers 1, or 0 when the prefix is no longer there.
 */
export const replaceScript = script(`
local value = redis.call('GET', KEYS[1])
local known = tonumber(ARGV[2])
if not value or #value < known or string.sub(value, 1, 4) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[3] .. string.sub(value, known + 1), 'EX', ARGV[4])
return 1
`);

/**
 * Claims payment ids, each for whoever comes first. ARGV 1: expiry in seconds; 2: for each key the bytes of its encoded
 * decision, u32, 0 to look it up only; 3: the decisions, one after another. Answers for each key nothing (no claim, none made), `1` and whether it is published where
 * the claim is the caller's own, or `0`, whether it is published, and the decision that stands.
 */
export const claimScript = script(`
local out, at = {}, 1
for i = 1, #KEYS do
  local value = redis.call('GET', KEYS[i])
  local length = struct.unpack('<I4', ARGV[2], i * 4 - 3)
  local mine = string.sub(ARGV[3], at, at + length - 1)
  at = at + length
  if value then
    if mine ~= '' and string.sub(value, 2) == mine then
      out[i] = '1' .. string.sub(value, 1, 1)
    else
      out[i] = '0' .. value
    end
  elseif mine ~= '' then
    redis.call('SET', KEYS[i], '0' .. mine, 'EX', ARGV[1])
    out[i] = '10'
  else
    out[i] = false
  end
end
return out
`);

/** Marks claims as published, where they still are. */
export const publishScript = script(`
for i = 1, #KEYS do
  if redis.call('GETRANGE', KEYS[i], 0, 0) == '0' then redis.call('SETRANGE', KEYS[i], 0, '1') end
end
return #KEYS
`);

/** Adds to lists what is not in them. KEYS: a list for each label; ARGV 1: expiry in seconds, 2: longest list; then the labels. */
export const labelScript = script(`
local out = {}
for i = 1, #KEYS do
  local label, known = ARGV[i + 2], redis.call('LRANGE', KEYS[i], 0, -1)
  local fresh = 1
  for k = 1, #known do
    if known[k] == label then fresh = 0 end
  end
  if fresh == 1 then
    if #known >= tonumber(ARGV[2]) then return redis.error_reply('LABELS too many of one payment') end
    redis.call('RPUSH', KEYS[i], label)
    redis.call('EXPIRE', KEYS[i], ARGV[1])
  end
  out[i] = fresh
end
return out
`);
