/** The analytics process over a journal of the tests' own (journal.ts), so that a test decides what is in it. */
import { runAnalyticsChild } from '../../../src/adapters/clickhouse/childMain.ts';
import { openTestJournal } from './journal.ts';

runAnalyticsChild((dataDir) => openTestJournal(dataDir, true));
