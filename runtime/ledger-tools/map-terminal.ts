// The map of a ledger as lines of text: a seqno, then one glyph for each transaction; the legend at the end, where one looks first.
// Not the reading. The rule to remember: a heading holds text from the ledger (a status), so it is made safe to print.
import { type ColourDepth, LOOKS, paint } from './map-look.ts'
import type { MapTotals, Row } from './map-rows.ts'
import { safeText } from './printable.ts'
import { KIND_TITLES, TRANSACTION_KINDS } from './transaction-kind.ts'

/** Digits of the seqno before each line, and the gap after it. */
export const MARGIN_CHARS = 11

/** Cells of one line of `width` characters: whole tens where there is room, so that seqnos are easy to count. */
export function columnsFor(width: number): number {
  const room = Math.max(1, width - MARGIN_CHARS)
  return room < 10 ? room : room - (room % 10)
}

export function rowLines({ first, heading, segments }: Row, depth: ColourDepth): string[] {
  const cells = segments.map(({ kind, first: from, last, committed }) =>
    paint(kind, LOOKS[kind].glyph.repeat(last - from + 1), committed, depth),
  )
  return [
    ...(heading === undefined ? [] : [safeText(heading)]),
    `${String(first).padStart(MARGIN_CHARS - 2)}  ${cells.join('')}`,
  ]
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

/** One line about the whole: for the legend, and for the subtitle of a drawing. */
export function summary({ first, last, views, services, uncommittedFrom }: MapTotals): string {
  if (first === 0) return 'no transactions'
  return [
    `seqno ${first} to ${last}`,
    plural(views, 'view', 'views'),
    plural(services, 'service identity', 'service identities'),
    ...(uncommittedFrom === undefined ? [] : [`from seqno ${uncommittedFrom} on in uncommitted chunks`]),
  ].join(', ')
}

/** Only the kinds there are. */
export function legendLines(totals: MapTotals, depth: ColourDepth): string[] {
  const countChars = String(Math.max(...totals.counts.values(), 0)).length
  return [
    '',
    ...TRANSACTION_KINDS.flatMap((kind) => {
      const count = totals.counts.get(kind)
      if (count === undefined) return []
      return [
        `  ${paint(kind, LOOKS[kind].glyph, true, depth)}  ${String(count).padStart(countChars)}  ${KIND_TITLES[kind]}`,
      ]
    }),
    summary(totals),
  ]
}
