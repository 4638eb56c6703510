// The whole of our own script. Pages work without it; here is what makes them quicker.
import "./htmx.js";
import "./page.js";
import "./account.js";
import "./copy.js";
import "./live.js";
import "./find.js";
import "./docs.js";
