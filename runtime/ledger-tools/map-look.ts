// How each kind of transaction looks on a map: its glyph, its colours in terminals of 16 and of 256 colours, its colour on paper.
// The rule to remember: glyphs are ASCII and all different, so a map without colour says the same.
import type { TransactionKind } from './transaction-kind.ts'

export interface Look {
  readonly glyph: string
  /** SGR foreground of the 16 colours. */
  readonly ansi16: number
  /** Index into the 256 colours. */
  readonly ansi256: number
  /** Tells kinds apart for people who see no red or no green too (after Okabe and Ito). */
  readonly fill: string
}

export const LOOKS: Readonly<Record<TransactionKind, Look>> = {
  signature: { glyph: '|', ansi16: 90, ansi256: 245, fill: '#6b7280' },
  service: { glyph: 'S', ansi16: 95, ansi256: 206, fill: '#cc3d91' },
  reconfiguration: { glyph: 'R', ansi16: 91, ansi256: 202, fill: '#d55e00' },
  governance: { glyph: 'G', ansi16: 93, ansi256: 220, fill: '#e8b400' },
  internal: { glyph: 'i', ansi16: 36, ansi256: 80, fill: '#8ecae6' },
  public: { glyph: '+', ansi16: 92, ansi256: 78, fill: '#009e73' },
  private: { glyph: '.', ansi16: 94, ansi256: 75, fill: '#2f6fd0' },
  empty: { glyph: '_', ansi16: 37, ansi256: 250, fill: '#ffffff' },
}

/** Bits of colour a terminal shows: 1 is none. What `tty.WriteStream.getColorDepth()` gives. */
export type ColourDepth = number

const RESET = '\u001b[0m'

/** `text` in the colour of a kind, dimmed when it is not committed. */
export function paint(kind: TransactionKind, text: string, committed: boolean, depth: ColourDepth): string {
  if (depth < 4) return text
  const { ansi16, ansi256 } = LOOKS[kind]
  const colour = depth < 8 ? `${ansi16}` : `38;5;${ansi256}`
  return `\u001b[${committed ? '' : '2;'}${colour}m${text}${RESET}`
}
