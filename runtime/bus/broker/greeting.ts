// The two JSON objects at the start of a connection: INFO from the server, CONNECT from the client.
// Nothing here decides whether a client may enter except `tokenMatches`.
// The rule to remember: fields absent from CONNECT keep nats-server's defaults, which are verbose and pedantic.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { parseJson } from '../../../protocols/codec/json.ts'

/** A version that clients parse as semantic, and that says who we are. */
export const BROKER_VERSION = '2.10.0-concordat'

export interface ServerFacts {
  readonly serverId: string
  readonly host: string
  readonly port: number
  readonly payloadBytesMax: number
  readonly isAuthRequired: boolean
}

export interface ConnectOptions {
  readonly isVerbose: boolean
  readonly isPedantic: boolean
  readonly hasEcho: boolean
  readonly hasHeaders: boolean
  readonly wantsNoResponders: boolean
  readonly token: string | undefined
  readonly name: string
}

export const CONNECT_DEFAULTS: ConnectOptions = {
  isVerbose: true,
  isPedantic: true,
  hasEcho: true,
  hasHeaders: false,
  wantsNoResponders: false,
  token: undefined,
  name: '',
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A fresh server id in the look of NATS' own: `N` and 55 characters of base32. */
export function newServerId(): string {
  let id = 'N'
  for (const byte of randomBytes(55)) id += BASE32[byte & 31]
  return id
}

/** The INFO line for one client. */
export function infoLine(facts: ServerFacts, clientId: number, clientAddress: string): string {
  const info = {
    server_id: facts.serverId,
    server_name: facts.serverId,
    version: BROKER_VERSION,
    proto: 1,
    go: 'none',
    host: facts.host,
    port: facts.port,
    headers: true,
    max_payload: facts.payloadBytesMax,
    ...(facts.isAuthRequired ? { auth_required: true } : {}),
    client_id: clientId,
    client_ip: clientAddress,
  }
  return `INFO ${JSON.stringify(info)} \r\n`
}

/** Reads CONNECT's options on top of `previous`; undefined if it is not a JSON object with fields of the right types. */
export function parseConnect(json: string, previous: ConnectOptions): ConnectOptions | undefined {
  const fields = parseObject(json)
  if (fields === undefined) return undefined
  const { verbose, pedantic, echo, headers, no_responders: noResponders, auth_token: token, name } = fields
  if (![verbose, pedantic, echo, headers, noResponders].every(isBooleanOrAbsent)) return undefined
  if (!isTextOrAbsent(token) || !isTextOrAbsent(name)) return undefined
  return {
    isVerbose: booleanOr(verbose, previous.isVerbose),
    isPedantic: booleanOr(pedantic, previous.isPedantic),
    hasEcho: booleanOr(echo, previous.hasEcho),
    hasHeaders: booleanOr(headers, previous.hasHeaders),
    wantsNoResponders: booleanOr(noResponders, previous.wantsNoResponders),
    token: token ?? previous.token,
    name: name ?? previous.name,
  }
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = parseJson(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const isBooleanOrAbsent = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'boolean'
const isTextOrAbsent = (value: unknown): value is string | null | undefined =>
  value === undefined || value === null || typeof value === 'string'
const booleanOr = (value: unknown, otherwise: boolean): boolean => (typeof value === 'boolean' ? value : otherwise)

/** Compares without telling by its duration how much was right: digests are compared, so lengths do not show either. */
export function tokenMatches(given: string | undefined, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
  return timingSafeEqual(digest(given ?? ''), digest(expected)) && given !== undefined
}
