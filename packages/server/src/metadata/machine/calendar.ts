/* Days of the Gregorian calendar, in UTC: what is decided here must be the same on every machine, so no clock and no time zone is asked. */

const DAY_MS = 86_400_000;
const DAYS_IN_400_YEARS = 146_097;

/** Days from 1970-01-01 to a day; months from 1. The year begins in March here, so that a leap day is its last. */
function daysTo(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * DAYS_IN_400_YEARS + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

function dayOf(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / DAYS_IN_400_YEARS);
  const ofEra = shifted - era * DAYS_IN_400_YEARS;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const march = Math.floor((5 * ofYear + 2) / 153);
  const month = march < 10 ? march + 3 : march - 9;
  const day = ofYear - Math.floor((153 * march + 2) / 5) + 1;
  return { year: year + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** The same time of day so many years later; of a leap day, 1 March where there is none. @param ms since 1970 */
export function yearsLater(ms: number, years: number): number {
  const { year, month, day } = dayOf(Math.floor(ms / DAY_MS));
  return daysTo(year + years, month, day) * DAY_MS + (ms % DAY_MS);
}

export const daysLater = (ms: number, days: number): number => ms + days * DAY_MS;
