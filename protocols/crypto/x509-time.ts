// X.509 times (RFC 5280 §4.1.2.5) to and from Unix seconds. Pure arithmetic, no Date: nothing here can read a clock.
// Not general ASN.1 time: always with seconds, always Z.
// The rule to remember: UTCTime until 2049, GeneralizedTime from 2050.
import { fromByteString, toByteString } from '../codec/bytes.ts'
import { der, type DerReader, TAG } from '../codec/der.ts'

export const DAY_SECONDS = 86_400

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const daysIn = (year: number, month: number): number =>
  month === 2 && isLeap(year) ? 29 : (MONTH_DAYS[month - 1] ?? 0)

/** Days from 1970-01-01 to 1 January of a year. */
function daysToYear(year: number): number {
  const y = year - 1
  return 365 * (year - 1970) + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) - 477
}

/** Reads a UTCTime or GeneralizedTime: Unix seconds (negative before 1970). Throws DecodeError. */
export function readTime(reader: DerReader): number {
  const { tag, content, offset } = reader.element()
  const text = toByteString(content)
  if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) return reader.fail('not a time', offset)
  const digits = tag === TAG.utcTime ? 12 : 14
  if (text.length !== digits + 1 || !/^[0-9]+Z$/.test(text)) return reader.fail('malformed time', offset)
  const full = tag === TAG.generalizedTime ? text : (text < '50' ? '20' : '19') + text
  const part = (from: number, to: number): number => Number(full.slice(from, to))
  const [year, month, day, hour, minute, second] = [
    part(0, 4),
    part(4, 6),
    part(6, 8),
    part(8, 10),
    part(10, 12),
    part(12, 14),
  ]
  if (day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) {
    return reader.fail('no such time', offset)
  }
  let days = daysToYear(year) + day - 1
  for (let m = 1; m < month; m++) days += daysIn(year, m)
  return days * DAY_SECONDS + hour * 3600 + minute * 60 + second
}

/** Whole Unix seconds from 1950 to 9999. */
export function encodeTime(unixSeconds: number): Uint8Array {
  let days = Math.floor(unixSeconds / DAY_SECONDS)
  const seconds = unixSeconds - days * DAY_SECONDS
  let year = 1970 + Math.floor(days / 365.2425)
  while (daysToYear(year) > days) year--
  while (daysToYear(year + 1) <= days) year++
  if (!Number.isInteger(unixSeconds) || year < 1950 || year > 9999)
    throw new RangeError('time cannot stand in a certificate')
  days -= daysToYear(year)
  let month = 1
  while (days >= daysIn(year, month)) days -= daysIn(year, month++)
  const fields = [month, days + 1, Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const text = String(year) + fields.map((field) => String(field).padStart(2, '0')).join('') + 'Z'
  return year < 2050 ? der(TAG.utcTime, fromByteString(text.slice(2))) : der(TAG.generalizedTime, fromByteString(text))
}
