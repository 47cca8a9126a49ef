// What a host hands to a channel when an actor sends to an actor of another node.

export interface Transmit {
  readonly type: 'transmit'
  /** Sender's and receiver's actor names, without the node: `replica`, `executor`. */
  readonly fromActor: string
  readonly toActor: string
  readonly message: { readonly type: string }
}
