// JSON with one value or name changed, and text that is nearly JSON. Spelled by hand where JSON.stringify would tidy up.
// The rule to remember: what is odd in JSON is what programs do with it: names that objects inherit, numbers that are none, depth.
import { utf8 } from '../../../protocols/codec/bytes.ts'
import type { Prng } from '../../../runtime/prng.ts'
import { pick } from './mutate.ts'

const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth)

/** Values as text: they replace a place holder. */
const VALUES: readonly string[] = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '1.5',
  '1e999',
  '-1e999',
  '9007199254740993',
  '18446744073709551616',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udfff\\ud800"',
  '"__proto__"',
  `"${'a'.repeat(300)}"`,
  `"${'x'.repeat(5000)}"`,
  '[]',
  '{}',
  '[null]',
  '[[]]',
  '{"toString":1,"valueOf":null}',
  '{"__proto__":null}',
  '{"__proto__":{"status":"Trusted"}}',
  '{"constructor":{"prototype":{}}}',
  '{"length":4294967295}',
  '{"then":1}',
  nested(40, '[', ']'),
  nested(400, '{"a":', '}').replace('}', '1}'),
  nested(3000, '[', ']'),
  nested(30_000, '[', ']'),
  `[${'0,'.repeat(3000)}0]`,
]
const NAMES = ['__proto__', 'constructor', 'toString', '', '0', '4294967295', 'status', '\u0000', 'é', 'body', 'error']
const PLACES_MAX = 5000
const PLACE = '"\u0001place\u0001"'
const PLACE_HOLDER = '\u0001place\u0001'

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

interface Place {
  readonly holder: Json[] | { [name: string]: Json }
  readonly key: string | number
}

/** Not recursive: earlier changes may have nested it deeply. */
function placesIn(root: Json): Place[] {
  const places: Place[] = []
  const waiting: Json[] = [root]
  for (let value = waiting.pop(); value !== undefined && places.length < PLACES_MAX; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null) continue
    const holder = value
    for (const [key, item] of Object.entries(holder)) {
      places.push({ holder, key: Array.isArray(holder) ? Number(key) : key })
      waiting.push(item as Json)
    }
  }
  return places
}

/** Undefined when it is nested too deeply to be written. */
function written(value: Json | undefined): string | undefined {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function setAt({ holder, key }: Place, value: Json): void {
  Object.defineProperty(holder, key, { value, configurable: true, enumerable: true, writable: true })
}

function removeAt({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(key as number, 1)
  else delete holder[key]
}

/** One change; undefined when `bytes` are not JSON. */
export function mutateJson(random: Prng, bytes: Uint8Array): Uint8Array | undefined {
  let root: Json[]
  try {
    root = [JSON.parse(new TextDecoder().decode(bytes)) as Json]
  } catch {
    // An earlier change has made it something else than JSON: the other mutators go on with it.
    return undefined
  }
  const place = pick(random, placesIn(root))
  const value = pick(random, VALUES)
  let said = (text: string): string => text
  switch (random.integer(0, 4)) {
    case 0:
      if (root[0] !== undefined && place.holder !== root) removeAt(place)
      break
    case 1:
      setAt({ holder: place.holder, key: Array.isArray(place.holder) ? 0 : pick(random, NAMES) }, PLACE_HOLDER)
      break
    case 2:
      // The same name twice.
      said = (text) => text.replace(/\{"([^"]*)":/, (all, name) => `${all}${value},"${String(name)}":`)
      break
    case 3:
      said = (text) => text.replace(/[:,[{]/g, (c) => (random.chance(1, 8) ? `${c} \n` : c))
      break
    default:
      setAt(place, PLACE_HOLDER)
  }
  const text = written(root[0])
  return text === undefined
    ? undefined
    : utf8(said(text).replaceAll(PLACE, value).replaceAll('"\\u0001place\\u0001"', value))
}
