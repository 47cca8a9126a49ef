// Schemas of the fields that the sample apps share. The rule to remember: text is bounded in UTF-8 bytes and well formed,
// since a lone surrogate would be replaced silently when it is encoded.
import * as v from 'valibot'
import { RANGE_ITEMS_MAX } from '../../protocols/limits.ts'

const LONE_SURROGATE = /\p{Surrogate}/u

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    // A surrogate pair is 4 bytes: 2 for each of its units.
    if (code > 0x7f) length += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1
  }
  return length
}

/** 1 to `bytesMax` bytes of well-formed text. */
export const boundedText = (bytesMax: number) =>
  v.pipe(
    v.string(),
    v.check((text) => text.length > 0, 'is empty'),
    v.check((text) => text.length <= bytesMax && utf8Length(text) <= bytesMax, `is longer than ${bytesMax} bytes`),
    v.check((text) => !LONE_SURROGATE.test(text), 'is not well-formed Unicode'),
  )

/** An integer from `least` to `most`, as a JSON number. */
export const wholeNumber = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  v.pipe(
    v.number(),
    v.check((n) => Number.isSafeInteger(n) && n >= least && n <= most, `expected an integer from ${least} to ${most}`),
  )

/** The same in decimal text, without sign or leading zeros: of a query or a path. */
export const decimal = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => /^(?:0|[1-9][0-9]{0,15})$/.test(text) && Number(text) >= least && Number(text) <= most,
      `expected an integer from ${least} to ${most}`,
    ),
    v.transform(Number),
  )

/** How many items a list may return. */
export const limit = v.optional(decimal(1, RANGE_ITEMS_MAX), String(RANGE_ITEMS_MAX))
