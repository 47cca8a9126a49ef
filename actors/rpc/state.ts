// What the public door knows: who waits for which answer. The requests themselves are the executor's.
import type { Executed } from '../../protocols/requests.ts'
import type { HostEvent } from '../effects.ts'

export interface RpcConfig {
  /** Requests that may wait for an answer; more are refused with 503. */
  readonly pendingMax: number
}

export type RpcEvent = Extract<HostEvent, { readonly type: 'received' }> | Executed

export interface RpcState {
  readonly config: RpcConfig
  readonly nextToken: number
  /** Reply subjects by token. */
  readonly pending: Readonly<Record<number, string>>
  readonly pendingCount: number
}

export const initialState = (config: RpcConfig): RpcState => ({ config, nextToken: 1, pending: {}, pendingCount: 0 })
