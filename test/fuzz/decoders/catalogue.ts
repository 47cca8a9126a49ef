// All decoders of input from outside. A new one is listed in one of these files, or test/tidy/decoders.test.ts says so.
import type { Decoder } from './decoder.ts'
import { cryptoDecoders } from './of-crypto.ts'
import { ledgerDecoders } from './of-ledger.ts'
import { messageDecoders } from './of-messages.ts'
import { runtimeDecoders } from './of-runtime.ts'
import { secretDecoders } from './of-secrets.ts'
import { storeDecoders } from './of-store.ts'

export const catalogue: readonly Decoder[] = [
  ...ledgerDecoders,
  ...storeDecoders,
  ...cryptoDecoders,
  ...secretDecoders,
  ...messageDecoders,
  ...runtimeDecoders,
]
