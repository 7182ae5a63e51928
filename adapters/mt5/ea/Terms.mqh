// A symbol's terms of trade as a report tells them, and whether they are still those last told.
#ifndef TIDEGATE_TERMS
#define TIDEGATE_TERMS

#include "Json.mqh"

// So many symbols are looked at by one heartbeat; where there are more they take turns.
#define TERMS_A_BEAT 32
// New terms are told at most so often: a broker may change them symbol by symbol.
#define TERMS_REPORT_MS 5000

// Everything but the tick value, which follows the market; no braces.
string TermsJson(const string name)
  {
   string json = "\"name\":" + JsonQuote(name);
   json += ",\"digits\":" + IntegerToString(SymbolInfoInteger(name, SYMBOL_DIGITS));
   double contract_size = SymbolInfoDouble(name, SYMBOL_TRADE_CONTRACT_SIZE);
   json += ",\"trade_contract_size\":" + JsonNumber(contract_size);
   long calc_mode = SymbolInfoInteger(name, SYMBOL_TRADE_CALC_MODE);
   json += ",\"trade_calc_mode\":" + IntegerToString(calc_mode);
   json += ",\"currency_base\":" + JsonQuote(SymbolInfoString(name, SYMBOL_CURRENCY_BASE));
   json += ",\"currency_profit\":" + JsonQuote(SymbolInfoString(name, SYMBOL_CURRENCY_PROFIT));
   json += ",\"currency_margin\":" + JsonQuote(SymbolInfoString(name, SYMBOL_CURRENCY_MARGIN));
   json += ",\"trade_tick_size\":" + JsonNumber(SymbolInfoDouble(name, SYMBOL_TRADE_TICK_SIZE));
   json += ",\"volume_min\":" + JsonNumber(SymbolInfoDouble(name, SYMBOL_VOLUME_MIN));
   json += ",\"volume_max\":" + JsonNumber(SymbolInfoDouble(name, SYMBOL_VOLUME_MAX));
   json += ",\"volume_step\":" + JsonNumber(SymbolInfoDouble(name, SYMBOL_VOLUME_STEP));
   json += ",\"filling_mode\":" + IntegerToString(SymbolInfoInteger(name, SYMBOL_FILLING_MODE));
   json += ",\"trade_mode\":" + IntegerToString(SymbolInfoInteger(name, SYMBOL_TRADE_MODE));
   long stops_level = SymbolInfoInteger(name, SYMBOL_TRADE_STOPS_LEVEL);
   return json + ",\"trade_stops_level\":" + IntegerToString(stops_level);
  }

// Whether the terminal has them: of a symbol it has just begun to watch it may still say zeroes.
bool HasTerms(const string name)
  {
   return SymbolInfoDouble(name, SYMBOL_TRADE_CONTRACT_SIZE) > 0.0
          && SymbolInfoString(name, SYMBOL_CURRENCY_PROFIT) != "";
  }

// The terms last told in a report that was complete.
class ToldTerms
  {
private:
   string            m_names[];
   string            m_terms[];
   bool              m_are_told;
   int               m_at;
   ulong             m_reported_tick;

   int               Find(const string name)
     {
      for(int i = 0; i < ArraySize(m_names); i++)
         if(m_names[i] == name)
            return i;
      return -1;
     }

public:
                     ToldTerms()
     {
      m_are_told = false;
      m_at = 0;
      m_reported_tick = 0;
     }

   // Nothing is taken for told, and nothing for new, until the next report.
   void              Forget()
     {
      ArrayResize(m_names, 0);
      ArrayResize(m_terms, 0);
      m_are_told = false;
     }

   // The report they were put into was complete.
   void              Keep() { m_are_told = true; }

   // The specification to be put into a report, each once; counts as told from Keep on.
   string            Tell(const string name)
     {
      string terms = TermsJson(name);
      int count = ArraySize(m_names);
      ArrayResize(m_names, count + 1, 64);
      ArrayResize(m_terms, count + 1, 64);
      m_names[count] = name;
      m_terms[count] = terms;
      double tick_value = SymbolInfoDouble(name, SYMBOL_TRADE_TICK_VALUE);
      return "{" + terms + ",\"trade_tick_value\":" + JsonNumber(tick_value) + "}";
     }

   // Whether a report is due: one of these symbols was never told, or has other terms than told.
   bool              AreOutdated(string &names[])
     {
      int count = ArraySize(names);
      ulong now = GetTickCount64();
      if(!m_are_told || count == 0)
         return false;
      if(m_reported_tick != 0 && now - m_reported_tick < TERMS_REPORT_MS)
         return false;
      for(int i = 0; i < MathMin(count, TERMS_A_BEAT); i++)
        {
         m_at = (m_at + 1) % count;
         string name = names[m_at];
         int at = Find(name);
         bool same = at >= 0 && m_terms[at] == TermsJson(name);
         if(same || !HasTerms(name))
            continue;
         m_reported_tick = now;
         return true;
        }
      return false;
     }
  };

#endif
