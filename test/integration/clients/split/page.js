export { SplitFactory } from '@splitsoftware/splitio-browserjs'
