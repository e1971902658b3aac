import numpy as np, json, os
rng=np.random.default_rng(7)
n=4000
X=np.column_stack([rng.lognormal(7,1.2,n), rng.poisson(3,n)+1.0, rng.lognormal(0,0.8,n), rng.integers(0,2,n).astype(float)]).astype(np.float32)
logit=-4+0.9*np.log(X[:,2])*2+1.2*X[:,3]+0.25*X[:,1]
y=(rng.random(n)<1/(1+np.exp(-logit))).astype(int)
Xm=X.copy(); Xm[rng.random(n)<0.1,2]=np.nan
T=np.vstack([Xm[:40], X[40:60]]).astype(np.float32)
import xgboost as xgb, lightgbm as lgb
from onnxmltools.convert import convert_xgboost, convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier, GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
import onnxruntime as ort
out='fx'; os.makedirs(out,exist_ok=True)
def run(b,R):
    s=ort.InferenceSession(b); o=s.run(None,{s.get_inputs()[0].name:R}); p=o[1]
    return [float(v[1]) for v in p]
res={}
def save(name,onx,R,py):
    b=onx.SerializeToString(); open(f'{out}/{name}.onnx','wb').write(b)
    p=run(b,R); res[name]={'onnxruntime':p,'library':[float(v) for v in py]}
    print(name,len(b),max(abs(a-c) for a,c in zip(p,py)))
m=xgb.XGBClassifier(n_estimators=12,max_depth=4,learning_rate=0.4).fit(Xm,y)
save('xgboost',convert_xgboost(m,initial_types=[('input',FloatTensorType([None,4]))],target_opset=15),T,m.predict_proba(T)[:,1])
l=lgb.LGBMClassifier(n_estimators=12,num_leaves=10,verbose=-1).fit(Xm,y)
save('lightgbm',convert_lightgbm(l,initial_types=[('input',FloatTensorType([None,4]))],target_opset=15),T,l.predict_proba(T)[:,1])
F=X[:60]
r=RandomForestClassifier(n_estimators=6,max_depth=4,random_state=1).fit(X,y)
save('forest',to_onnx(r,X[:1],options={'zipmap':False},target_opset=15),F,r.predict_proba(F)[:,1])
g=MLPClassifier((4,),max_iter=30).fit(X,y)
open(f'{out}/mlp.onnx','wb').write(to_onnx(g,X[:1],options={'zipmap':False},target_opset=15).SerializeToString())
rg=xgb.XGBRegressor(n_estimators=3,max_depth=2).fit(X,y)
open(f'{out}/regressor.onnx','wb').write(convert_xgboost(rg,initial_types=[('input',FloatTensorType([None,4]))],target_opset=15).SerializeToString())
def rows(A): return [[None if np.isnan(v) else float(v) for v in r] for r in A]
json.dump({'rows':rows(T),'forestRows':rows(F),'probabilities':res},open(f'{out}/expected.json','w'))
