// Both implementations of the crypto door, for suites that must hold on each.
import { nativeCrypto as native } from '../../../protocols/crypto/native.ts'
import { nobleCrypto as noble } from '../../../protocols/crypto/noble.ts'

export const IMPLEMENTATIONS = [noble, native] as const
export { native, noble }
