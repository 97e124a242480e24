// Writes this view's numbers as text, and reads the numbers that users type.

const SIZES = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];
const SCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const NAMED = { t: 1e12, trillion: 1e12, b: 1e9, billion: 1e9, m: 1e6, million: 1e6, k: 1e3, thousand: 1e3, "": 1 };

const few = (value, digits = 3) => String(Number(value.toPrecision(digits)));

/** Write an amount in few characters: 7e10 -> "70B", 1.4e12 -> "1.4T", 381600 -> "382k". */
export function amount(value) {
  for (const [size, sign] of SIZES) if (value >= 0.9995 * size) return `${few(value / size)}${sign}`;
  return few(value);
}

/** Write an amount for a screen reader: "70 billion". */
export function spokenAmount(value) {
  const words = { T: " trillion", B: " billion", M: " million", k: " thousand" };
  return amount(value).replace(/[TBMk]$/, (sign) => words[sign]);
}

/** Read "70B", "1.4 trillion", "7e10" or "70,000" as a number; null if the text is not a positive number. */
export function parseAmount(text) {
  const found = text
    .trim()
    .replaceAll(/(\d)[,  _](?=\d{3}(?!\d))/g, "$1")
    .toLowerCase()
    .match(/^(\d+(?:[.,]\d*)?(?:e[+-]?\d+)?)\s*([a-z]*)$/);
  if (!found || !(found[2] in NAMED)) return null;
  const value = Number(found[1].replace(",", ".")) * NAMED[found[2]];
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** Round to two digits: 5.88e23 -> "5.9 · 10²³". Numbers from 1 to below 10,000 get no power of ten: 1234 -> "1200". */
export function power(value) {
  if (!value) return "0";
  if (value >= 1 && value < 1e4) return few(value, 2);
  const [digits, exponent] = value.toExponential(1).split("e");
  return `${digits} · 10${[...exponent.replace("+", "")].map((sign) => SCRIPT[sign]).join("")}`;
}

/** Write a duration, given in days, in the most natural unit: "2.5 years". */
export function time(days) {
  const units = [
    [365.25, "year"],
    [1, "day"],
    [1 / 24, "hour"],
    [1 / 1440, "minute"],
    [1 / 86400, "second"],
  ];
  const [size, unit] = units.find(([one]) => days >= 1.995 * one) ?? units.at(-1);
  const many = days / size;
  const said = many >= 1e6 ? power(many) : Number(many.toPrecision(many < 100 ? 2 : 3)).toLocaleString("en");
  return `${said} ${unit}${said === "1" ? "" : "s"}`;
}

/** Write an amount of money: 1.03e6 -> "$1.03 million". */
export function money(dollars) {
  const units = [
    [1e12, " trillion"],
    [1e9, " billion"],
    [1e6, " million"],
  ];
  const [size, unit] = units.find(([one]) => dollars >= 0.9995 * one) ?? [1, ""];
  const many = dollars / size;
  const digits = many < 100 && many % 1 ? 2 : 0;
  const plain = many.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `$${unit ? few(many) : plain}${unit}`;
}

/** Write an amount of energy, given in kilowatt-hours, in the most natural unit: "1.5 GWh". */
export function energy(kilowattHours) {
  const units = [
    [1e9, "TWh"],
    [1e6, "GWh"],
    [1e3, "MWh"],
    [1, "kWh"],
    [1e-3, "Wh"],
  ];
  const [size, unit] = units.find(([one]) => kilowattHours >= 0.9995 * one) ?? units.at(-1);
  return `${few(kilowattHours / size)} ${unit}`;
}

/** Write a loss with a sensible number of digits: "1.937", "12.3". */
export const nats = (loss) => (loss < 100 ? loss.toFixed(loss < 10 ? 3 : 1) : power(loss));
