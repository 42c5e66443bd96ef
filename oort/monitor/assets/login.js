// Sends the token. Not as the form would: a page that tells nobody where it is (no-referrer) sends
// its forms without an origin, and what has none is refused.

const form = document.getElementById("door");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = document.getElementById("wrong");
  wrong.textContent = "";
  try {
    const answer = await fetch("/login", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.ok) location.replace("/");
    else wrong.textContent = answer.status === 401 ? "That is not the token." : "That was refused.";
  } catch {
    wrong.textContent = "The monitor does not answer.";
  }
});
