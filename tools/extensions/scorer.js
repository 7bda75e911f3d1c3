// Sphinx's own scores, with the chapters before the pages that one looks things up on.
var Scorer = {
  score: ([docname, , , , score]) => score + (/^chapters\/\d/.test(docname) ? 200 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
