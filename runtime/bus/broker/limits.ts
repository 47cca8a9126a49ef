// The bounds of the embedded broker, all of them chosen at its start (defaults: broker.ts).
import type { ParserLimits } from './parser.ts'

export interface BrokerLimits extends ParserLimits {
  readonly token: string | undefined
  readonly authTimeoutMs: number
  readonly connectionsMax: number
  readonly subscriptionsMax: number
  /** Bytes owed to one client beyond which it is cut off as a slow consumer. */
  readonly pendingBytesMax: number
}
