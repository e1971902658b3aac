/**
 * The analytics process: embedded ClickHouse and the sink, apart from the process that decides, so that nothing they do
 * (or die of) is felt there. Started by src/adapters/clickhouse/childClient.ts; ends with its parent.
 */
import { runAnalyticsChild } from '../src/adapters/clickhouse/childMain.ts';
import { openParity } from '../src/adapters/sqlite/parityLog.ts';
import { openJournalReader } from '../src/adapters/sqlite/reader.ts';

runAnalyticsChild(openJournalReader, openParity);
