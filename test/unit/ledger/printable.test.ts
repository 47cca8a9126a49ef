// Goal: whatever bytes a ledger holds, what is shown of them is printable, on one line, unambiguous between text and bytes, and not longer
// than asked; JSON stays the same JSON; and glyphs are coloured as the terminal can.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, fromUtf8, toHex, utf8 } from '../../../protocols/codec/bytes.ts'
import { LOOKS, paint } from '../../../runtime/ledger-tools/map-look.ts'
import {
  jsonLine,
  printable,
  safeJson,
  safeText,
  showKey,
  shownAsJson,
  showValue,
} from '../../../runtime/ledger-tools/printable.ts'
import { TRANSACTION_KINDS } from '../../../runtime/ledger-tools/transaction-kind.ts'

const seed = 20_261_122
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.string({ unit: 'binary', maxLength: 40 }).map(utf8),
  fc.json({ maxDepth: 3 }).map(utf8),
)

describe('bytes', () => {
  it('are never shown as anything unsafe', () =>
    fc.assert(
      fc.property(anyBytes, fc.integer({ min: 1, max: 50 }), (bytes, charsMax) => {
        for (const shown of [showKey(bytes, charsMax), showValue(bytes, charsMax)]) {
          expect(printable(shown, bytes.length)).not.toMatch(UNSAFE)
          expect(jsonLine(shownAsJson(shown, bytes.length))).not.toMatch(UNSAFE)
          expect(shown.text.length).toBeLessThanOrEqual(charsMax + 1)
        }
      }),
      { seed, numRuns: 500 },
    ))

  it('are all in the JSON form when nothing is cut', () =>
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const shown = JSON.parse(jsonLine(shownAsJson(showValue(bytes, Infinity), bytes.length))) as Record<
          string,
          unknown
        >
        if (shown['hex'] !== undefined) expect(shown['hex']).toBe(toHex(bytes))
        else if (shown['text'] !== undefined) expect(shown['text']).toBe(fromUtf8(bytes))
        else expect(JSON.stringify(shown['json'])).toBe(fromUtf8(bytes))
      }),
      { seed, numRuns: 500 },
    ))

  it.each([
    ['text', utf8('héllo'), 'héllo'],
    ['lines', utf8('a\r\n\tb'), 'a␍␊␉b'],
    ['JSON', utf8('{"a":\n [1, "\u202e"]}'), '{"a":  [1, "\\u202e"]}'],
    ['no bytes', new Uint8Array(0), '0x'],
    ['bytes', fromHex('ff00'), '0xff00'],
    ['text that looks like bytes', utf8('0xff'), '0x30786666'],
    ['a terminal sequence', utf8('\u001b[31m'), '0x1b5b33316d'],
    ['an invisible character', utf8('a\u200bb'), '0x61e2808b62'],
    ['a byte order mark before JSON', utf8('\ufeff{}'), '0xefbbbf7b7d'],
  ])('of %s', (_, bytes, expected) => expect(printable(showValue(bytes, 160), bytes.length)).toBe(expected))

  it('are cut between characters, not within them', () => {
    const bytes = utf8('ab\u{1f600}')
    expect(printable(showValue(bytes, 3), bytes.length)).toBe('ab… (6 bytes)')
    expect(printable(showValue(bytes, 4), bytes.length)).toBe('ab\u{1f600}')
  })
})

describe('text', () => {
  it('keeps its meaning where it can', () => {
    expect(safeText('a\u0000\u{e0001}\n')).toBe('a\\u0000\\udb40\\udc01␊')
    const json = '{"a\u0085": "\u{e0001}"}'
    expect(JSON.parse(safeJson(json))).toEqual(JSON.parse(json))
  })
})

describe('colours', () => {
  it('follow the depth of the terminal', () => {
    expect(paint('public', '+', true, 1)).toBe('+')
    expect(paint('public', '+', true, 4)).toBe('\u001b[92m+\u001b[0m')
    expect(paint('public', '+', true, 8)).toBe('\u001b[38;5;78m+\u001b[0m')
    expect(paint('public', '+', false, 24)).toBe('\u001b[2;38;5;78m+\u001b[0m')
  })

  it('are not needed: every glyph is another, and ASCII', () => {
    const glyphs = TRANSACTION_KINDS.map((kind) => LOOKS[kind].glyph)
    expect(new Set(glyphs).size).toBe(TRANSACTION_KINDS.length)
    expect(glyphs.join('')).toMatch(/^[!-~]+$/)
  })
})
