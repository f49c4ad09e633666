// Making elements. Text from outside only ever becomes text nodes.

/** An element with properties and children; a child that is null, undefined or false is left out. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== "list") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let lastId = 0;
/** An id that no other element has. */
export const newId = (prefix) => `${prefix}-${++lastId}`;

/** Says something to whoever listens instead of looking. */
export function announce(words) {
  document.getElementById("announcer").textContent = words;
}
