// The handshake patterns of the Noise Protocol Framework, revision 34: §7.4 one-way, §7.5 interactive, appendix (§18) deferred, §9 PSK modifiers.
// Only the table and its expansion; what a token does is in noise.ts.
// The rule to remember: Concordat speaks XX alone; the others stand here so that every published vector exercises the engine.

export type NoiseToken = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk'

/** What is said, and what is known beforehand. Message 0 is the initiator's, then they alternate. */
export interface NoisePattern {
  /** Such as `XX` or `IKpsk2`. */
  readonly name: string
  /** The responder knows the initiator's static key beforehand. */
  readonly initiatorStaticKnown: boolean
  /** The initiator knows the responder's static key beforehand. */
  readonly responderStaticKnown: boolean
  readonly messages: readonly (readonly NoiseToken[])[]
  /** Number of `psk` tokens, 0 for ordinary patterns. */
  readonly pskCount: number
}

const MESSAGES: Readonly<Record<string, string>> = {
  N: 'e es',
  K: 'e es ss',
  X: 'e es s ss',
  NN: 'e / e ee',
  NK: 'e es / e ee',
  NX: 'e / e ee s es',
  XN: 'e / e ee / s se',
  XK: 'e es / e ee / s se',
  XX: 'e / e ee s es / s se',
  KN: 'e / e ee se',
  KK: 'e es ss / e ee se',
  KX: 'e / e ee se s es',
  IN: 'e s / e ee se',
  IK: 'e es s ss / e ee se',
  IX: 'e s / e ee se s es',
  NK1: 'e / e ee es',
  NX1: 'e / e ee s / es',
  X1N: 'e / e ee / s / se',
  X1K: 'e es / e ee / s / se',
  XK1: 'e / e ee es / s se',
  X1K1: 'e / e ee es / s / se',
  X1X: 'e / e ee s es / s / se',
  XX1: 'e / e ee s / es s se',
  X1X1: 'e / e ee s / es s / se',
  K1N: 'e / e ee / se',
  K1K: 'e es / e ee / se',
  KK1: 'e / e ee se es',
  K1K1: 'e / e ee es / se',
  K1X: 'e / e ee s es / se',
  KX1: 'e / e ee se s / es',
  K1X1: 'e / e ee s / se es',
  I1N: 'e s / e ee / se',
  I1K: 'e es s / e ee / se',
  IK1: 'e s / e ee se es',
  I1K1: 'e s / e ee es / se',
  I1X: 'e s / e ee s es / se',
  IX1: 'e s / e ee se s / es',
  I1X1: 'e s / e ee s / se es',
}

const TOKENS: ReadonlySet<string> = new Set(['e', 's', 'ee', 'es', 'se', 'ss'])
const isToken = (word: string): word is NoiseToken => TOKENS.has(word)

/** The pattern of a name such as `XX`, `K1X1` or `NNpsk0+psk2`; undefined when there is none. */
export function noisePattern(name: string): NoisePattern | undefined {
  const match = /^([A-Z1]+)((?:psk[0-9](?:\+psk[0-9])*)?)$/.exec(name)
  const base = match?.[1]
  if (base === undefined || !Object.hasOwn(MESSAGES, base)) return undefined
  const messages = MESSAGES[base]!.split(' / ').map((line) => line.split(' ').filter(isToken))
  const modifiers = match?.[2] ? match[2].split('+').map((modifier) => Number(modifier.slice(3))) : []
  for (const place of modifiers) {
    // psk0 opens the first message, pskN closes the Nth (§9.2).
    if (place > messages.length) return undefined
    if (place === 0) messages[0]!.unshift('psk')
    else messages[place - 1]!.push('psk')
  }
  // One letter for each party (§7.1); in a one-way pattern, which has one letter, the responder's key is always known.
  const letters = base.replaceAll('1', '')
  const responder = letters.length === 1 ? 'K' : letters[1]
  return {
    name,
    initiatorStaticKnown: letters[0] === 'K',
    responderStaticKnown: responder === 'K',
    messages,
    pskCount: modifiers.length,
  }
}

/** The pattern of every session and channel: both parties send their static key, sealed, and prove it. */
export const PATTERN_XX: NoisePattern = noisePattern('XX')!
